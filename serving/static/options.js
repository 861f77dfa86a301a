// The form of what a model declares: one control for each option, by its default.

const WHOLE = "1";

// Fills a fieldset with the controls of a model's options, and of the seed if it draws.
export function build(fieldset, { options, draws }) {
  const seed = draws ? [control("seed", 0), control("variants", 1)] : [];
  fieldset.replaceChildren(...Object.entries(options).map(([name, value]) => control(name, value)), ...seed);
  const variants = fieldset.querySelector("[name=variants]");
  if (variants) Object.assign(variants, { min: 1, max: 8 });
  const seeds = fieldset.querySelector("[name=seed]");
  if (seeds) seeds.min = 0;
}

// {own: the model's options, seed, variants}
export function values(fieldset) {
  const found = {};
  for (const input of fieldset.elements) {
    found[input.name] =
      input.type === "checkbox" ? input.checked
      : input.type === "number" ? input.valueAsNumber
      : input.value;
  }
  const { seed = 0, variants = 1, ...own } = found;
  return { own, seed, variants };
}

function control(name, value) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.name = name;
  const words = name.replaceAll("_", " ");
  const shown = words[0].toUpperCase() + words.slice(1);
  if (typeof value === "boolean") {
    Object.assign(input, { type: "checkbox", checked: value });
    label.className = "line";
    label.append(input, shown);
    return label;
  }
  const isNumber = typeof value === "number";
  Object.assign(input, { type: isNumber ? "number" : "text", value: value ?? "" });
  if (isNumber) Object.assign(input, { step: Number.isInteger(value) ? WHOLE : "any", required: true });
  label.append(shown, input);
  return label;
}
