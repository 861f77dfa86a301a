"""The models that requests may name, and what is known of them."""

from inpainting_zoo import presets
from inpainting_zoo.errors import choose
from inpainting_zoo.families import names_in


class Catalogue:
    """All presets that have weights, after the service's own model if it has one.

    Args:
        own: `(about, models)` of a model in place of the preset that its name may be:
            what `presets.about` says of one, and the model itself, see `Service`.

    Attributes:
        default: name of the model that requests take which name none.
    """

    def __init__(self, own: tuple[dict, list] | None = None):
        self._own = {own[0]["name"]: own} if own else {}
        self.default = next(iter(self._own), presets.DEFAULT)

    def about(self) -> list:
        """Returns what helps to choose, those first that need no download."""
        own = [about for about, _ in self._own.values()]
        others = [n for n, preset in presets.PRESETS.items() if "weights" in preset]
        others = [presets.about(n) for n in others if n not in self._own]
        return own + sorted(others, key=lambda model: not model["here"])

    def names(self) -> list:
        """Returns the names that requests may use."""
        return [model["name"] for model in self.about()]

    def declared(self, name: str) -> dict:
        """Returns a model's options: defaults, types, names, bounds, and words on them.

        It tells, too, whether the model draws, so that a seed matters, and how many
        other pictures of the same place it looks at.

        Raises:
            InputError: if no model has this name.
        """
        choose("preset", name, dict.fromkeys(self.names()))
        if name in self._own:
            about, (model, *_) = self._own[name]
            options, rules, draws = model.OPTIONS, model.RULES, model.draws
            references = model.most_references
        else:
            about, family = presets.about(name), presets.family(name)
            options, rules, draws = family.options, family.rules, family.draws
            references = 0  # without the prompt that a preset has not
        return about | {
            "options": dict(options),
            "types": {k: type(value).__name__ for k, value in options.items()},
            "choices": {
                k: names_in(rule["choices"])
                for k, rule in rules.items()
                if "choices" in rule
            },
            "rules": {
                k: {key: rule[key] for key in rule if key != "choices"}
                for k, rule in rules.items()
            },
            "draws": draws is True,
            "references": references,
        }
