// Mouse, pen and fingers: one draws, two zoom and drag, the wheel zooms.

const WHEEL = 0.0015; // zoom for a unit of the wheel, as an exponent
const LINE = 16; // units in a line of wheels that count lines

// Calls `begin`, `move`, `end` and `abandon` with a point of the picture for what draws,
// and `hover` for what does not; the rest is the view's.
export function listen(canvas, view, { begin, move, end, abandon, hover, resize, pans }) {
  const pointers = new Map(); // those that are down, by their id
  let drawing = null; // the id of the one that draws

  const stop = () => {
    if (drawing !== null) abandon();
    drawing = null;
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true, focusVisible: false });
    pointers.set(event.pointerId, event);
    if (pointers.size > 1) {
      stop();
    } else if (event.button === 0 && !pans()) {
      drawing = event.pointerId;
      begin(view.at(event.clientX, event.clientY));
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) {
      if (event.pointerType !== "touch") hover(view.at(event.clientX, event.clientY));
      return;
    }
    const before = pointers.get(event.pointerId);
    if (event.pointerId === drawing) {
      const passed = event.getCoalescedEvents?.() ?? [];
      const all = passed.length ? passed : [event];
      move(all.map(({ clientX, clientY }) => view.at(clientX, clientY)));
    } else if (pointers.size === 2) {
      pinch(view, before, event, [...pointers.values()].find((p) => p.pointerId !== event.pointerId));
    } else {
      view.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    }
    pointers.set(event.pointerId, event);
  });

  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    if (event.pointerId !== drawing) return;
    drawing = null;
    end();
  });

  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    stop();
  });

  canvas.addEventListener("pointerleave", () => hover(null));

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const delta = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    if (event.ctrlKey) resize(-Math.sign(delta));
    else view.zoom(Math.exp(-delta * WHEEL), event.clientX, event.clientY);
  }, { passive: false });

  return { abandon: stop };
}

// Two fingers: what is between them stays between them.
function pinch(view, before, now, other) {
  const apart = (a, b) => Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));
  view.pan((now.clientX - before.clientX) / 2, (now.clientY - before.clientY) / 2);
  const middle = [(now.clientX + other.clientX) / 2, (now.clientY + other.clientY) / 2];
  view.zoom(apart(now, other) / apart(before, other), ...middle);
}
