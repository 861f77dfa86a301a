// Undo and redo over strokes and results: a list of states, none of which changes.
//
// A state is {picture, strokes, shift, scale}: a Picture, what has been drawn on it, where
// that is to be moved, [right, down] in pixels or null, and how large it is to be there.

const MOST = 200;

export class History {
  constructor(first) {
    this.states = [first];
    this.at = 0;
  }

  get now() {
    return this.states[this.at];
  }

  get canUndo() {
    return this.at > 0;
  }

  get canRedo() {
    return this.at < this.states.length - 1;
  }

  // Goes on from here; what was undone is forgotten.
  push(change) {
    this.states = [...this.states.slice(0, this.at + 1), { ...this.now, ...change }].slice(-MOST);
    this.at = this.states.length - 1;
  }

  undo() {
    if (this.canUndo) this.at--;
  }

  redo() {
    if (this.canRedo) this.at++;
  }
}
