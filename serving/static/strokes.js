// What can be drawn into a mask: data that says how, in pixels of the picture.
//
// A stroke is drawn from the one point to the next, so that drawing it as it grows and
// drawing it again give the same pixels.

// [x, y] pairs; `size` is the diameter of the round tip.
export const brush = (size) => ({ kind: "line", size, points: [] });
export const eraser = (size) => ({ kind: "line", size, points: [], erases: true });
export const rectangle = () => ({ kind: "rectangle", points: [] });
export const lasso = () => ({ kind: "lasso", points: [] });
export const clear = { kind: "clear" };
export const invert = { kind: "invert" };
// A canvas of the picture's size, opaque in the hole.
export const loaded = (canvas) => ({ kind: "loaded", canvas });

export const TOOLS = { brush, eraser, rectangle, lasso };

// Draws a stroke from its point number `from` on.
export function draw(context, stroke, from = 0) {
  context.save();
  context.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
  DRAW[stroke.kind](context, stroke, from);
  context.restore();
}

// Whether it can be drawn while it grows; the others are drawn when they are whole.
export const grows = (stroke) => stroke.kind === "line";

const DRAW = {
  line(context, { points, size }, from) {
    context.lineWidth = size;
    context.lineCap = "round";
    for (let i = Math.max(from, 0); i < points.length; i++) {
      context.beginPath();
      context.moveTo(...points[Math.max(i - 1, 0)]);
      context.lineTo(...points[i]);
      context.stroke();
    }
  },
  rectangle(context, stroke) {
    const [left, top, width, height] = box(stroke.points);
    context.fillRect(left, top, width, height);
  },
  lasso(context, { points }) {
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.fill();
  },
  clear(context) {
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  },
  invert(context) {
    context.globalCompositeOperation = "source-out";
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  },
  loaded(context, { canvas }) {
    DRAW.clear(context);
    context.drawImage(canvas, 0, 0);
  },
};

// Left, top, width and height in whole pixels between two corners.
export function box(points) {
  const [from, to] = [points[0], points.at(-1)];
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])].map(Math.round);
  const [top, bottom] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])].map(Math.round);
  return [left, top, right - left, bottom - top];
}
