"""Tables in Markdown, and numbers in their cells."""

TITLES = {"psnr": "PSNR", "psnr_hole": "hole PSNR", "ssim": "SSIM", "l1": "L1"}
TITLES |= {"l1_hole": "hole L1"}
DIGITS = {"psnr": 2, "psnr_hole": 2, "ssim": 4, "l1": 4, "l1_hole": 4, "l2": 4}
DIGITS |= {"l2_hole": 4}


def table(head: list, rows: list) -> str:
    """Returns a table: the first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, rule, *rows))


def number(value, measure: str) -> str:
    """Returns a measured number, or a mean and its deviation, as text.

    Args:
        value: a number, `{"mean", "deviation"}`, or None for none.
        measure: name in `DIGITS`.
    """
    if isinstance(value, dict):
        parts = [value["mean"], value["deviation"]]
        return " ± ".join(number(v, measure) for v in parts if v is not None) or "-"
    return "-" if value is None else f"{value:.{DIGITS[measure]}f}"
