// The keyboard: which key does what, where nothing is being typed.

// Calls the function that `keys` has for a key, such as "Ctrl+Z"; `held` has pairs of
// functions for keys that are held, such as the space bar.
export function listen(keys, held) {
  addEventListener("keydown", (event) => {
    if (isTyped(event)) return;
    const name = nameOf(event);
    if (held[name]) {
      event.preventDefault();
      if (!event.repeat) held[name][0]();
    } else if (keys[name] && keys[name](event) !== false) {
      event.preventDefault();
    }
  });
  addEventListener("keyup", (event) => held[nameOf(event)]?.[1]());
  addEventListener("blur", () => Object.values(held).forEach(([, release]) => release()));
}

function nameOf({ key, ctrlKey, metaKey, shiftKey }) {
  const name = key === " " ? "Space" : key.length === 1 ? key.toUpperCase() : key;
  const shift = shiftKey && (ctrlKey || metaKey || key.length > 1);
  return (ctrlKey || metaKey ? "Ctrl+" : "") + (shift ? "Shift+" : "") + name;
}

// Whether a key belongs to the control that has the focus.
function isTyped({ target, key, ctrlKey, metaKey }) {
  if (ctrlKey || metaKey || key === "Escape") return false;
  if (target.matches("select, input:not([type=radio], [type=checkbox], [type=range])")) return true;
  return target.matches("button, summary, label, input") && (key === " " || key === "Enter" || key.startsWith("Arrow"));
}
