// What is seen: picture, mask and brush in a canvas of the screen's size.
//
// A point of the picture is at `x * scale + left` of the canvas, in pixels of the screen.

const MOST_SCALE = 40;
const VEIL = 0.5; // how opaque the mask is

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    Object.assign(this, { scale: 1, left: 0, top: 0, compare: 0, brush: null, outline: null, subject: null, isFitted: true });
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  // Shows a picture, what it was before (or null) and its mask.
  show(picture, original, mask) {
    const other = this.picture?.width !== picture.width || this.picture?.height !== picture.height;
    Object.assign(this, { picture, original, mask });
    if (other) this.fit();
    this.draw();
  }

  resize() {
    const { width, height } = this.canvas;
    this.canvas.width = Math.round(this.canvas.clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(this.canvas.clientHeight * devicePixelRatio);
    if (!this.picture) return;
    if (this.isFitted) return this.fit();
    this.left += (this.canvas.width - width) / 2; // the middle stays
    this.top += (this.canvas.height - height) / 2;
    this.draw();
  }

  // The whole picture, in the middle.
  fit() {
    const { width, height } = this.canvas;
    this.scale = Math.min(width / this.picture.width, height / this.picture.height, MOST_SCALE) * 0.97;
    this.left = (width - this.picture.width * this.scale) / 2;
    this.top = (height - this.picture.height * this.scale) / 2;
    this.isFitted = true;
    this.draw();
  }

  // The point of the picture under a point of the window.
  at(clientX, clientY) {
    const [x, y] = this.onCanvas(clientX, clientY);
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  onCanvas(clientX, clientY) {
    const bounds = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / bounds.width;
    return [(clientX - bounds.left) * ratio, (clientY - bounds.top) * ratio];
  }

  // Zooms; the point of the picture under a point of the window stays there.
  zoom(factor, clientX, clientY) {
    if (!this.picture) return;
    const [x, y] = this.onCanvas(clientX, clientY);
    const least = 16 / Math.max(this.picture.width, this.picture.height);
    const scale = Math.min(MOST_SCALE, Math.max(least, this.scale * factor));
    this.left = x - (x - this.left) * (scale / this.scale);
    this.top = y - (y - this.top) * (scale / this.scale);
    this.scale = scale;
    this.isFitted = false;
    this.draw();
  }

  // Zooms around the middle of what is seen.
  zoomBy(factor) {
    const bounds = this.canvas.getBoundingClientRect();
    this.zoom(factor, bounds.left + bounds.width / 2, bounds.top + bounds.height / 2);
  }

  // Moves the picture by pixels of the window.
  pan(dx, dy) {
    const ratio = this.canvas.width / this.canvas.clientWidth;
    this.left += dx * ratio;
    this.top += dy * ratio;
    this.isFitted = false;
    this.draw();
  }

  // Draws with the next frame, however often it is asked for until then.
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.picture) this.drawNow();
    });
  }

  drawNow() {
    const { context, canvas, scale } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = scale < 2; // pixels are seen from there on
    this.put(this.picture.for(scale), 0, this.picture.width);
    if (this.original && this.compare > 0) {
      this.put(this.original.for(scale), 0, this.picture.width * this.compare);
      if (this.compare < 1) this.line(this.picture.width * this.compare);
    }
    if (this.compare < 1) {
      context.globalAlpha = VEIL;
      this.put(this.mask.canvas, this.original ? this.picture.width * this.compare : 0, this.picture.width);
      context.globalAlpha = 1;
    }
    if (this.subject && this.compare < 1) this.drawSubject();
    if (this.outline) this.drawOutline();
    if (this.brush) this.drawBrush();
  }

  // Draws the part of an image that is seen, between two columns of the picture.
  put(image, from, to) {
    const { scale, canvas, picture } = this;
    const left = Math.max(from, Math.floor(-this.left / scale), 0);
    const top = Math.max(Math.floor(-this.top / scale), 0);
    const right = Math.min(to, Math.ceil((canvas.width - this.left) / scale));
    const bottom = Math.min(picture.height, Math.ceil((canvas.height - this.top) / scale));
    if (right <= left || bottom <= top) return;
    const part = [left, top, right - left, bottom - top];
    const shrunk = image.width / picture.width;
    const [x, y, width, height] = part.map((length) => length * scale);
    this.context.drawImage(image, ...part.map((n) => n * shrunk), x + this.left, y + this.top, width, height);
  }

  line(column) {
    this.context.fillStyle = "white";
    this.context.fillRect(column * this.scale + this.left - 1, this.top, 2, this.picture.height * this.scale);
  }

  drawSubject() {
    const { context, scale, picture, subject } = this;
    const [x, y, width, height] = subject.place.map((length) => length * scale);
    context.save();
    context.beginPath();
    context.rect(this.left, this.top, picture.width * scale, picture.height * scale);
    context.clip();
    context.drawImage(subject.canvas, x + this.left, y + this.top, width, height);
    context.restore();
  }

  drawBrush() {
    const { x, y, size } = this.brush;
    this.ring((context) => {
      context.arc(x * this.scale + this.left, y * this.scale + this.top, (size / 2) * this.scale, 0, 7);
    });
  }

  drawOutline() {
    this.ring((context) => {
      for (const [x, y] of this.outline) context.lineTo(x * this.scale + this.left, y * this.scale + this.top);
      context.closePath();
    });
  }

  // A line that is seen on light and dark.
  ring(path) {
    for (const [colour, width] of [["black", 3], ["white", 1.5]]) {
      this.context.strokeStyle = colour;
      this.context.lineWidth = width * devicePixelRatio;
      this.context.beginPath();
      path(this.context);
      this.context.stroke();
    }
  }
}
