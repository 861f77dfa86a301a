// A picture file, decoded: as it is, and small enough to be shown whole at once.

const PREVIEW = 2048; // pixels of its longer side

export class Picture {
  constructor(file, full, preview) {
    Object.assign(this, { file, full, preview, width: full.width, height: full.height });
  }

  static async read(file) {
    const full = await createImageBitmap(file);
    const shrink = Math.min(1, PREVIEW / Math.max(full.width, full.height));
    const preview = shrink === 1 ? full : await createImageBitmap(full, {
      resizeWidth: Math.max(1, Math.round(full.width * shrink)),
      resizeHeight: Math.max(1, Math.round(full.height * shrink)),
      resizeQuality: "high",
    });
    return new Picture(file, full, preview);
  }

  // What to draw where a pixel of the picture takes so many of the screen.
  for(scale) {
    return scale * this.width <= this.preview.width ? this.preview : this.full;
  }
}
