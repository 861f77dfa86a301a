// A subject on its way: what the mask cuts out of the picture, shown at another place.

export class Subject {
  // `foot` is the middle of the mask's lowest row: what stays where it is as the size
  // changes.
  constructor(picture, mask, strokes) {
    const { width, height } = picture.preview;
    this.canvas = new OffscreenCanvas(width, height);
    const context = this.canvas.getContext("2d");
    context.drawImage(mask.canvas, 0, 0, width, height);
    context.globalCompositeOperation = "source-in";
    context.drawImage(picture.preview, 0, 0);
    Object.assign(this, { picture, strokes, foot: mask.foot(), shift: [0, 0], size: 1 });
  }

  // Whether it was cut from this picture by these strokes.
  isOf({ picture, strokes }) {
    return this.picture === picture && this.strokes === strokes;
  }

  // Left, top, width and height of the whole picture's place, of which it is a part.
  get place() {
    const { width, height } = this.picture;
    const [left, top] = this.foot.map((at, i) => at * (1 - this.size) + this.shift[i]);
    return [left, top, width * this.size, height * this.size];
  }
}
