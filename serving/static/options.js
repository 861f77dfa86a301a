// The form of what a model declares: one control for each option, by its default's type
// or by the names that it can have.

// Fills a fieldset with the controls of a model's options, and of the seed if it draws.
export function build(fieldset, { options, types, choices, draws }) {
  const own = Object.entries(options).map(([name, value]) => (
    choices[name] ? choice(name, value, choices[name]) : control(name, value, types[name])
  ));
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

const titled = (name) => {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
};

// One of several names.
function choice(name, value, names) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.name = name;
  select.append(...names.map((each) => new Option(each, each, each === value, each === value)));
  label.append(titled(name), select);
  return label;
}

// `type` is Python's: "int", "float", "bool", "str"; JavaScript cannot tell 1.0 from 1.
function control(name, value, type, hint = "") {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.name = name;
  if (type === "bool") {
    Object.assign(input, { type: "checkbox", checked: value });
    label.className = "line";
    label.append(input, titled(name));
    return label;
  }
  const isNumber = type === "int" || type === "float";
  Object.assign(input, { type: isNumber ? "number" : "text", value: value ?? "" });
  if (isNumber) Object.assign(input, { step: type === "int" ? 1 : "any", required: true });
  label.append(titled(name), input);
  if (hint) label.append(Object.assign(document.createElement("small"), { textContent: hint }));
  return label;
}
