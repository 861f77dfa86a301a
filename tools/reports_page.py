"""docs/reports.md: what the reports claim in their tables, and what is measured here.

Written by tools/reports.py from the files in weights/reports. What is claimed is the
reports' own; every other number is read from a file.
"""

import json
import textwrap
from pathlib import Path

from inpainting_zoo.evaluation.tables import markdown, number
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.tools.readme_benchmarks import (
    DATA_RANGE,
    shown_as,
    verdict,
    vgg_files,
)

HEAD = """# The tables of the reports

What four reports claim, in their own layout, and beside it what is measured here where
it can be; elsewhere a phrase says why not. `make reports` measures, and writes this
page from `weights/reports`; `OPTIONS="-only 000"` chooses a part. Only numbers of the
same pictures and the same rule can be compared: captions name both.
"""
DATA_SETS = {
    "faces_pairs_40": "`faces_pairs_40` (of report 004's 200 pairs of CelebA-HQ)",
    "scenes_test": "`scenes_test` with holes of NVIDIA's irregular masks in order",
}
CELEBA, PARIS, CITIES, PLACES = (
    *("CelebA-HQ", "Paris StreetView"),
    *("Cityscapes", "Places365"),
)
NO_CITIES = "its pictures need an account"
NO_PLACES = "its pictures were not downloaded"
NO_WEIGHTS = "its weights are not shipped: `-presets {0}=FILE`"
NO_TEXT = "its weights are not shipped"
DOWNLOAD = "its weights are a download: `-presets {0}`"
# Report 000, Table 1: model, data set, L1, L2, PSNR as it gives them; the method here,
# or why there is none.
REPORT_000 = (
    ("NN-inpainting", PARIS, "0.0937 0.0196 18.58", "nearest_neighbour", ""),
    ("Context Encoder", CELEBA, "0.0322 0.0088 21.28", "context_encoder_faces_128", ""),
    ("Context Encoder", CITIES, "0.0600 0.0298 16.17", None, NO_CITIES),
    ("Context Encoder", PLACES, "0.0699 0.0393 15.01", None, NO_PLACES),
    ("Stable Diffusion", CELEBA, "0.0279 0.0081 22.33", "sd2_inpainting", NO_WEIGHTS),
    ("Stable Diffusion", CITIES, "0.0352 0.0119 19.90", None, NO_CITIES),
)
# Report 001, Table 1: data, side in pixels, PSNR by ratio.
RATIOS = ("1", "100", "200", "1000")
REPORT_001 = (
    ("Tiny ImageNet (theirs)", "64x64", "11.56 14.34 - 14.76"),
    ("ImageNet-1k 64 (theirs)", "64x64", "- - - 17.20"),
    ("ImageNet-1k 128 (theirs)", "128x128", "- 13.17 13.40 15.39"),
    ("Paris StreetView (original paper)", "128x128", "- - - 18.58"),
)
VARIANTS = {
    "alexnet": "AlexNet of ImageNet as the encoder, frozen",
    "noise": "noise of deviation 0.1 at the input",
    "from_64": "pictures of 64 px enlarged to 128",
}
NOTHING, NOT_TRAINED, NOT_HERE = (
    *("Nothing is measured yet.", "not trained yet"),
    "not in the zoo",
)
# Report 002: the preset here, or why there is none.
HERE_002 = {
    "MAT": ("mat_512", DOWNLOAD),
    "LaMa": ("lama_big", DOWNLOAD),
    "SD": ("sd15_inpainting", NO_WEIGHTS),
    "SD (no text)": ("sd15_inpainting", NO_WEIGHTS),
    "SD-text": (None, NO_TEXT),
    "SD (background)": (None, NO_TEXT),
    "SD-Repaint": (None, f"`-with repaint=true`; {NO_TEXT}"),
    "ASUKA": ("asuka", NO_WEIGHTS),
    "SD-prompt": (None, "its prompt was never published; `-stage task_inversion`"),
    "SEELE": (None, "its prompts were never published; `-stage task_inversion`"),
}
# Its Table 1: LPIPS, FID, U-IDS, P-IDS on MISATO and on Places 2.
MEASURES_002 = ("lpips", "fid_torchvision", "u_ids_torchvision", "p_ids_torchvision")
REPORT_002 = {
    "Co-Mod": "0.179 17.421 0.243 0.109 0.267 5.794 0.274 0.096",
    "MAT": "0.176 17.261 0.255 0.122 0.202 3.765 0.348 0.195",
    "LaMa": "0.155 15.436 0.260 0.135 0.202 6.693 0.247 0.050",
    "MAE-FAR": "0.142 13.283 0.282 0.153 0.174 3.559 0.307 0.105",
    "SD": "0.168 12.812 0.345 0.211 0.193 1.514 0.375 0.207",
    "SD-text": "0.164 12.603 0.337 0.207 0.191 1.506 0.373 0.202",
    "SD-prompt": "0.160 12.517 0.331 0.204 0.189 1.477 0.390 0.234",
    "SD-Repaint": "0.227 27.861 0.016 0.007 0.251 12.466 0.217 0.045",
    "ASUKA": "0.150 11.460 0.368 0.256 0.183 1.230 0.413 0.287",
}
# Its tables of inpainting on Places 2 and of outpainting on Flickr-Scenery: PSNR, SSIM,
# FID, LPIPS.
MEASURES_SEELE = ("psnr", "ssim", "fid", "lpips")
REPORT_002_SEELE = {
    "Co-Mod": "21.09 0.84 30.04 0.17 - - - -",
    "MAT": "20.68 0.84 32.44 0.16 - - - -",
    "SD (no text)": "20.35 0.84 29.63 0.16 14.48 0.69 53.52 0.35",
    "SD (background)": "20.59 0.84 29.31 0.16 14.60 0.70 46.58 0.34",
    "SEELE": "21.98 0.87 24.40 0.13 16.00 0.73 29.06 0.31",
}
# Its ablations of ASUKA on MISATO: what is changed, how, and the measures of Table 1.
ABLATIONS_002 = (
    ("masked autoencoder", "pretrained alone", "0.151 11.513 0.354 0.258"),
    ("masked autoencoder", "then finetuned", "0.150 11.460 0.368 0.256"),
    ("alignment", "a linear layer", "0.155 11.934 0.361 0.227"),
    ("alignment", "a self-attention layer", "0.152 11.613 0.362 0.234"),
    ("alignment", "four cross-attention layers", "0.152 11.762 0.368 0.238"),
    ("alignment", "four self-attention layers", "0.150 11.460 0.368 0.256"),
    ("decoder", "VAE", "0.156 11.949 0.343 0.208"),
    ("decoder", "+ cond.", "0.151 11.634 0.361 0.231"),
    ("decoder", "+ color", "0.152 11.603 0.357 0.229"),
    ("decoder", "+ latent", "0.150 11.460 0.368 0.256"),
)
# Its Table 1 of SEELE, LPIPS on ReS: by how the hole is filled.
MOVES_002 = {
    "SD, no text": "0.157",
    "SD, a simple text": "0.157",
    "SD, a complex text": "0.157",
    "SD, LoRA": "0.162",
    "SEELE": "0.156",
    "SEELE, removal by ZITS++": "0.176",
    "SEELE, removal by MAE-FAR": "0.172",
    "SEELE, removal by LaMa": "0.163",
    "SEELE, removal by MAT": "0.163",
}
# Report 004, Table 1: what is claimed, by variant of tools/table1.py.
REPORT_004 = {
    "none": ("Original architecture", "25.70"),
    "a2_report": ('With only "A2 double attention"', "27.3"),
    "se_report": ("With only Squeeze and Excite", "27.78"),
}
# And in section 6.2.
LOSSES_004 = {
    "none": ("Gaussian weights, ID-MRF of VGG19", "-"),
    "laplacian": ("Laplacian weights for Gaussian ones", "no substantial effect"),
    "vgg16": ("ID-MRF of VGG16", "not compared"),
}


def page(folder: Path) -> str:
    """Returns the page that belongs to a folder of reports."""
    parts = [report_000(folder), report_001(folder)]
    parts += [report_002(folder), report_004(folder)]
    return "\n".join([HEAD, *parts])


def read(folder: Path, kind: str) -> list:
    """Returns the reports of a kind, such as "report_000/circle"."""
    files = sorted(folder.glob(f"{kind}_of_*.json"))
    return [json.loads(path.read_text()) for path in files]


def methods(reports: list) -> dict:
    """Returns name -> row of all presets, then of the classical methods beside them."""
    found = {r["preset"]: r["methods"][r["preset"]] for r in reports}
    beside = {name: row for r in reports for name, row in r["methods"].items()}
    return found | {name: row for name, row in beside.items() if name not in found}


def listed(numbers: dict) -> str:
    """Returns methods and their PSNR as words."""
    return ", ".join(f"`{name}` has {value}" for name, value in numbers.items())


def paragraph(*sentences: str) -> str:
    """Returns sentences, broken anywhere, as lines of up to 88 characters."""
    return textwrap.fill(" ".join(" ".join(sentences).split()), 88)


def caption(reports: list, rule: str) -> str:
    """Returns of what and by which rule numbers are."""
    if not reports:
        return NOTHING
    images = " or ".join(sorted({str(report["images"]) for report in reports}))
    data, side = DATA_SETS[reports[0]["test_set"]], reports[0]["image_size"]
    return f"Here: {images} pictures of {data}, {side} px, {rule}."


def pair(row: dict | None, measure: str) -> str:
    """Returns a measure of the completed picture and, in brackets, of its hole."""
    if row is None:
        return "-"
    hole = f"{measure}_hole"
    return f"{number(row[measure], measure)} ({number(row[hole], hole)})"


def report_000(folder: Path) -> str:
    squares, circles = (read(folder, f"report_000/{m}") for m in ("centre", "circle"))
    found = {"squares": methods(squares), "circles": methods(circles)}
    three = ("l1", "l2", "psnr")
    titles = [MEASURES[m].title for m in three]
    lines = []
    for model, data, claims, method, why in REPORT_000:
        row = found["squares"].get(method)
        here = [pair(row, m) for m in three]
        said = f"`{method}`" if row else why.format(method)
        lines.append([model, data, *claims.split(), *here, said])
    head = ["model", "data set", *titles, *(f"here: {t}" for t in titles), "by"]
    shapes = [
        [name, *(pair(rows.get(name), m) for rows in found.values() for m in three)]
        for name in found["squares"]
    ]
    shown = [f"{shape}: {title}" for shape in found for title in titles]
    counts = {r["neighbours"] for r in squares}
    text = paragraph(
        """Its Table 1, squares of 64 in pictures of 128 px; it does not say whether
        it measures pictures or holes. Its context encoder had trained on the CelebA-HQ
        pictures that it was measured on. Its first row, 18.58 dB, is no nearest
        neighbour: report 001 gives the same number to the original paper's own
        network.""",
        caption(
            squares,
            """squares of half their side, the completed picture on [0, 1] and, in
            brackets, the hole alone; means over pictures""",
        ),
        *(f"The nearest neighbour pastes from {n:,} other faces." for n in counts),
        *(
            f"""`{r["preset"]}` saw the pictures enlarged, and all that it gave is
            compared, known pixels as well."""
            for r in squares
            if r.get("protocol") == "report_000"
        ),
    )
    return f"""## Report 000: context encoder and Stable Diffusion

{text}

{markdown(head, lines)}

It says that Stable Diffusion hallucinates with circles most, without numbers. The same
pictures, with discs as wide as the squares:

{markdown(["method", *shown], shapes)}
"""


def report_001(folder: Path) -> str:
    path = folder / "lambda_ratios.json"
    lines = [[data, side, *values.split()] for data, side, values in REPORT_001]
    here = NOTHING
    if path.is_file():
        report = json.loads(path.read_text())
        data, ratios = shown_as(report), report["ratios"]
        shown = [number(ratios.get(r, {}).get("psnr_hole"), "psnr") for r in RATIOS]
        lines.append([f"{data} (here)", "128x128", *shown])
        for name, title in VARIANTS.items():
            row = report.get("variants", {}).get(name)
            shown = number(row["psnr_hole"], "psnr") if row else NOT_TRAINED
            lines.append([f"{title} (here)", "128x128", "-", "-", "-", shown])
        here = f"""Here: {report["images"]} {data} that were not trained on,
            `{report["preset"]}` after {report["steps"]} steps, the centre alone,
            mean over pictures."""
        if beside := report.get("baselines"):
            numbers = {k: number(row["psnr_hole"], "psnr") for k, row in beside.items()}
            here += f""" Without a training {listed(numbers)}."""
    text = paragraph(
        """PSNR of the centre by weight of reconstruction to adversarial loss. Theirs
        is a mean over batches whose range is that of the values found, of the best
        epoch of each.""",
        here,
        """What the report would try next stands below, each with the ratio 1000: a
        pretrained AlexNet (torchvision's, which had labels), noise, and pictures
        of 64 px, which have less to reproduce.""",
    )
    head = ["data", "size", *(f"x{ratio}" for ratio in RATIOS)]
    return f"""## Report 001: the ratio of the losses

{text}

{markdown(head, lines)}
"""


def report_002(folder: Path) -> str:
    files = folder.glob("*_on_scenes_test_at_256.json")  # of `make numbers`
    reports = [json.loads(path.read_text()) for path in sorted(files)]
    reports += read(folder, "report_002/scenes")
    # Rows of one table are of the same pictures.
    most = max((report["images"] for report in reports), default=0)
    reports = [report for report in reports if report["images"] == most]
    found = methods(reports)
    measured = {m for row in found.values() for m, x in row.items() if x is not None}
    sets = [m for m in MEASURES if MEASURES[m].of == "set" and m in measured]
    shown = ("psnr", "ssim", "lpips", *sets)
    rows = [[n, *(number(row.get(m), m) for m in shown)] for n, row in found.items()]
    text = paragraph(
        """Its Table 1, on MISATO (2,000 pictures) and Places 2 (36,500), and its
        tables of inpainting on Places 2 and outpainting on Flickr-Scenery; neither
        the pictures nor the choice of their holes come with it.""",
        """FID, U-IDS and P-IDS of its Table 1 and of the ablations are by torchvision's
        Inception; SSIM by its program is of grey pictures, here of colours.""",
        caption(reports, "the completed picture; means over pictures, KID of the set"),
        "FID, U-IDS and P-IDS need 2,048 pictures ([measures](metrics.md)); of fewer "
        "there is KID by AlexNet in the last table.",
        f"""Of {most:,} pictures, under {MEASURES["fid"].enough:,}, FID is too large,
        and comparable with that of the same pictures alone."""
        if MEASURES["fid"].least <= most < MEASURES["fid"].enough
        else "",
    )
    ablations = [[part, by, *numbers.split()] for part, by, numbers in ABLATIONS_002]
    return f"""## Report 002: from versatility to consistency

{text}

{_claims_002(found, REPORT_002, MEASURES_002, ("MISATO", "Places 2"))}

{_claims_002(found, REPORT_002_SEELE, MEASURES_SEELE, ("Places 2", "Flickr-Scenery"))}

Its ablations of ASUKA, on MISATO, and LPIPS of subjects moved on ReS. Neither is
measured here: the weights of ASUKA and of SEELE were never released, and ReS is a
download (`evaluate -protocol res`, [seele.md](seele.md); `tools/asuka_ablation.py`,
[asuka.md](asuka.md)).

{markdown(["ASUKA's", "by", *_titles(MEASURES_002)], ablations)}

{markdown(["moved by", MEASURES["lpips"].title], [*map(list, MOVES_002.items())])}

What completes pictures here without a download, and the classical methods:

{markdown(["method", *(MEASURES[m].title for m in shown)], rows)}
"""


def _titles(measures):
    """Returns titles without the network, which the text names."""
    return [MEASURES[m].title.removesuffix(" torchvision") for m in measures]


def _claims_002(found, claims, measures, sets):
    lines = []
    for name, values in claims.items():
        method, why = HERE_002.get(name, (None, NOT_HERE))
        row = found.get(method)
        here = [number(row.get(m), m) if row else "-" for m in measures]
        said = f"`{method}`" if row else why.format(method)
        lines.append([name, *values.split(), *here, said])
    titles = [f"{s}: {title}" for s in (*sets, "here") for title in _titles(measures)]
    return markdown(["method", *titles, "by"], lines)


def report_004(folder: Path) -> str:
    here, networks = _compared(folder / "table1.json", REPORT_004)
    text = paragraph(
        f"""Its Table 1, PSNR on 200 pairs of CelebA-HQ of 256 px. Its rule scores
        output that was not completed, with a data range of 2 for images on [0, 1],
        which adds {DATA_RANGE:.2f} dB. Its 25.70 dB are an exception: by that rule
        its published notebook gave the original network 27.47 dB.""",
        here,
    )
    here, losses = _compared(folder / "losses.json", LOSSES_004)
    of_losses = paragraph("What it says of the weights of its loss.", here)
    rule, ours = (read(folder, f"report_004/{kind}") for kind in ("rule", "completed"))
    rows = [methods(reports) for reports in (rule, ours)]
    names = [name for name in rows[0] if name in rows[1]]
    pairs = [[f"`{n}`", *(number(r[n]["psnr"], "psnr") for r in rows)] for n in names]
    return f"""## Report 004: attention

{text}

{networks}

{of_losses}

{losses}

{paragraph("What is shipped.", caption(rule, "by its rule, and completed by ours"))}

{markdown(["preset", "its rule", "completed"], pairs)}
"""


def _compared(path: Path, claims):
    """Returns what a file of tools/table1.py is of, and its rows beside claims."""
    here, lines = NOTHING, []
    report = json.loads(path.read_text()) if path.is_file() else {"variants": {}}
    for name, (title, claim) in claims.items():
        row = report["variants"].get(name, {}).get("wgan")
        cells = [NOT_TRAINED, "-", "-", "-"]
        if row:
            numbers = [number(row.get(m), "psnr") for m in ("report_004", "psnr")]
            gain, seeds = row.get("gain"), len(report["seeds"])
            paired = [number(gain, "psnr"), verdict(gain, seeds)]
            cells = [*numbers, *(["-", "-"] if name == "none" else paired)]
        lines.append([f"{title} (`{name}`)", claim, *cells])
    if report["variants"]:
        steps = " and ".join(map(str, report["steps"].values()))
        here = f"""Here: {report["images"]} {shown_as(report)} of
            {report["image_size"]} px that were not trained on,
            `{report["preset"]}` after {steps} steps of its two stages, mean ±
            deviation over {len(report["seeds"])} seeds, and the gain over `none`
            with the same seed."""
        if "vgg16" in report["variants"]:
            here += f" ID-MRF is by {vgg_files(report)}."
    for name, row in report.get("baselines", {}).items():
        lines.append([f"`{name}`", "-", "-", number(row["psnr"], "psnr"), "-", "-"])
    head = ["trained", "claimed", "here, its rule", "here, completed", "gain", "95 %"]
    return here, markdown(head, lines)
