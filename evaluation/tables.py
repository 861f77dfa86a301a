"""Tables as text and in Markdown, and numbers in their cells."""

from inpainting_zoo.metrics.measures import HEADLINES, MEASURES


def text(rows: list) -> str:
    """Returns aligned lines: the first column to the left, the others to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for name, *cells in rows:
        numbers = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        lines.append("  ".join([f"{name:<{first}}", *numbers]))
    return "\n".join(lines)


def markdown(head: list, rows: list) -> str:
    """Returns a table: the first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, rule, *rows))


def headlines(rows: list) -> list:
    """Returns the names of the headline measures that any of the rows has."""
    return [
        name for name in HEADLINES if any(row.get(name) is not None for row in rows)
    ]


def number(value, measure: str) -> str:
    """Returns a measured number, or a mean and its deviation, as text.

    Args:
        value: a number, `{"mean", "deviation"}`, or None for none.
        measure: name in `MEASURES`.
    """
    if isinstance(value, dict):
        parts = [value["mean"], value["deviation"]]
        return " ± ".join(number(v, measure) for v in parts if v is not None) or "-"
    return "-" if value is None else f"{value:.{MEASURES[measure].digits}f}"


def cell(found: dict, measure: str) -> str:
    """Returns a measured number as text, with its interval where there is one.

    Args:
        found: measure -> number, and "intervals".
        measure: name in `MEASURES`.
    """
    ends = found.get("intervals", {}).get(measure)
    shown = number(found.get(measure), measure)
    return f"{shown} ({interval(ends, measure)})" if ends else shown


def interval(ends: list | None, measure: str) -> str:
    """Returns the two ends of an interval of a measure as text."""
    return "-" if ends is None else " to ".join(number(end, measure) for end in ends)
