// The form of what a model declares: one control for each option, by its default's type
// or by the names that it can have.

// Fills a fieldset with the controls of a model's options, and of the seed if it draws.
export function build(fieldset, { options, types, choices, rules, draws }) {
  const own = Object.entries(options).map(([name, value]) => (
    choices[name]
      ? choice(name, value, choices[name])
      : control(name, value, types[name], rules[name])
  ));
  const seed = draws ? [
    control("seed", 0, "int", { least: 0, about: "another number, another result" }),
    control("variants", 1, "int", { least: 1, most: 8, about: "results to choose from" }),
  ] : [];
  fieldset.replaceChildren(...own, ...seed);
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
function control(name, value, type, { least = "", most = "", about = "" } = {}) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const hint = Object.assign(document.createElement("small"), { textContent: about });
  input.name = name;
  if (type === "bool") {
    Object.assign(input, { type: "checkbox", checked: value });
    label.className = "line";
    label.append(input, titled(name), ...(about ? [hint] : []));
    return label;
  }
  const isNumber = type === "int" || type === "float";
  Object.assign(input, { type: isNumber ? "number" : "text", value: value ?? "" });
  if (isNumber) {
    const step = type === "int" ? 1 : "any";
    Object.assign(input, { step, required: true, min: least, max: most });
  }
  label.append(titled(name), input, ...(about ? [hint] : []));
  return label;
}
