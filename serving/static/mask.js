// The mask at the picture's full resolution: a canvas that is opaque in the hole.

import { draw } from "./strokes.js";

const COLOUR = "#ff2d6f";
const HALF = 128;
const SMALL = 256; // pixels of the longer side, where exact ones do not matter
const MARGIN = 0.25; // around the hole, in parts of its longer side

// Lets the page answer between two steps that take long in a large picture.
const pause = () => new Promise((done) => setTimeout(done));

export class Mask {
  constructor(width, height) {
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext("2d");
    this.context.fillStyle = this.context.strokeStyle = COLOUR;
    this.drawn = [];
  }

  // Shows these strokes: draws what is new, or all again if something is gone.
  show(strokes) {
    const goesOn = this.drawn.every((stroke, i) => stroke === strokes[i]);
    if (!goesOn) this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const stroke of strokes.slice(goesOn ? this.drawn.length : 0)) draw(this.context, stroke);
    this.drawn = [...strokes];
  }

  // Draws a stroke that still grows, from its point number `from` on.
  grow(stroke, from) {
    draw(this.context, stroke, from);
  }

  // The stroke that has grown is one of those shown.
  grown(stroke) {
    this.drawn.push(stroke);
  }

  // Draws all again, without a stroke that was given up.
  redraw() {
    const strokes = this.drawn;
    this.drawn = [{}];
    this.show(strokes);
  }

  // About the box around the hole: {left, top, right, bottom}, and the columns `first`
  // and `last` of its lowest row; all of the picture where it is too thin to be found.
  box() {
    const { width, height } = this.canvas;
    const scale = Math.min(1, SMALL / Math.max(width, height));
    const [across, down] = [width, height].map((length) => Math.ceil(length * scale));
    const context = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
    context.drawImage(this.canvas, 0, 0, across, down);
    const { data } = context.getImageData(0, 0, across, down);
    let found = null;
    for (let i = 0; i < across * down; i++) {
      if (!data[4 * i + 3]) continue;
      const [x, y] = [i % across, Math.floor(i / across)];
      found ??= { left: x, top: y, right: x, bottom: y };
      if (found.bottom < y || found.first === undefined) found.first = x;
      Object.assign(found, { left: Math.min(found.left, x), right: Math.max(found.right, x + 1), bottom: y, last: x + 1 });
    }
    found ??= { left: 0, top: 0, right: across, bottom: down - 1, first: 0, last: across };
    found.bottom += 1;
    for (const name in found) found[name] /= scale;
    return found;
  }

  // About the square around the hole, moved by pixels, within the picture: [left, top,
  // side].
  square([right, down]) {
    const { width, height } = this.canvas;
    const box = this.box();
    const hole = Math.max(box.right - box.left, box.bottom - box.top);
    const side = Math.min(width, height, hole * (1 + 2 * MARGIN));
    const from = (low, high, most) => Math.min(most - side, Math.max(0, (low + high - side) / 2));
    return [from(box.left + right, box.right + right, width), from(box.top + down, box.bottom + down, height), side];
  }

  // About the middle of its lowest row: [x, y].
  foot() {
    const { first, last, bottom } = this.box();
    return [(first + last) / 2, bottom];
  }

  // A PNG: white in the hole, black elsewhere.
  async file() {
    const copy = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const context = copy.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    const fill = async (operation, colour) => {
      await pause();
      context.globalCompositeOperation = operation;
      context.fillStyle = colour;
      context.fillRect(0, 0, copy.width, copy.height);
    };
    await fill("source-in", "white");
    await fill("destination-over", "black");
    await pause();
    return copy.convertToBlob({ type: "image/png" });
  }
}

// A canvas that is opaque where a mask file is white, of the given size.
export async function read(file, width, height) {
  const bitmap = await createImageBitmap(file);
  if (Math.abs(Math.log((bitmap.width * height) / (bitmap.height * width))) > 0.01) {
    const found = `${bitmap.width} × ${bitmap.height}`;
    throw new Error(`A mask for ${width} × ${height} pixels was expected, this one has ${found}.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.fillRect(0, 0, width, height); // what is transparent is no hole
  context.drawImage(bitmap, 0, 0, width, height);
  const rows = 256; // at a time, for the memory's sake
  for (let top = 0; top < height; top += rows) {
    const pixels = context.getImageData(0, top, width, Math.min(rows, height - top));
    const data = new Uint32Array(pixels.data.buffer);
    const bytes = pixels.data;
    for (let i = 0; i < data.length; i++) {
      const luminance = 0.299 * bytes[4 * i] + 0.587 * bytes[4 * i + 1] + 0.114 * bytes[4 * i + 2];
      data[i] = luminance >= HALF ? 0xff6f2dff : 0; // COLOUR, as little-endian ABGR
    }
    context.putImageData(pixels, 0, top);
    await pause();
  }
  return canvas;
}
