// The form of what a model declares: one control for each option, by its default's type.

// Fills a fieldset with the controls of a model's options, and of the seed if it draws.
export function build(fieldset, { options, types, draws }) {
  const own = Object.entries(options).map(([name, value]) => control(name, value, types[name]));
  const seed = draws ? [
    control("seed", 0, "int", "another number, another result"),
    control("variants", 1, "int", "results to choose from"),
  ] : [];
  fieldset.replaceChildren(...own, ...seed);
  const variants = fieldset.querySelector("[name=variants]");
  if (variants) Object.assign(variants, { min: 1, max: 8 });
  const seeds = fieldset.querySelector("[name=seed]");
  if (seeds) seeds.min = 0;
}

// {own: the model's options, seed, variants, draws: whether the seed matters}
export function values(fieldset) {
  const found = {};
  for (const input of fieldset.elements) {
    found[input.name] =
      input.type === "checkbox" ? input.checked
      : input.type === "number" ? input.valueAsNumber
      : input.value;
  }
  const { seed = 0, variants = 1, ...own } = found;
  return { own, seed, variants, draws: "seed" in found };
}

// `type` is Python's: "int", "float", "bool", "str"; JavaScript cannot tell 1.0 from 1.
function control(name, value, type, hint = "") {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.name = name;
  const words = name.replaceAll("_", " ");
  const shown = words[0].toUpperCase() + words.slice(1);
  if (type === "bool") {
    Object.assign(input, { type: "checkbox", checked: value });
    label.className = "line";
    label.append(input, shown);
    return label;
  }
  const isNumber = type === "int" || type === "float";
  Object.assign(input, { type: isNumber ? "number" : "text", value: value ?? "" });
  if (isNumber) Object.assign(input, { step: type === "int" ? 1 : "any", required: true });
  label.append(shown, input);
  if (hint) label.append(Object.assign(document.createElement("small"), { textContent: hint }));
  return label;
}
