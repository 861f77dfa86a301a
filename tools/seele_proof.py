"""Shows on a small diffusion model that the tasks of SEELE are learned.

    python tools/seele_proof.py -train_path DIR -test_path DIR -from_weights FILE

FILE is that of `tools/join_weights.py` for `sd_small`, which stays as it is. For every
seed three things are measured, and written to proof.json in `-output_path`:

- remove: the loss of the learned prompt on pictures that were not trained on, and those
  of the best of five prompts of random words, of no text, of the text that the prompt
  was at first, and of `-texts`, such as captions of the training, at the same noise;
- harmonize: how far the mean colour of subjects is from what it was, of composites
  whose subjects were given other colours, of what the prompt and the LoRA make of them,
  and of what the model makes without;
- refer: LPIPS in the hole of pictures that are completed beside a shifted and scaled
  cut of the same photograph, without it, and beside a cut of another one. (Of the whole
  picture, which is the same elsewhere, divided by the hole's share of it.)

Pictures are sampled without guidance, each with noise of its own.

Subjects are what GrabCut finds around the middle of a picture. Finished work is kept;
other options, such as `-steps 500`, go to every training.
"""

import argparse
import json
from pathlib import Path

import cv2
import keras
import numpy as np
import skimage
from keras import ops
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.data.images import fit_image, list_images, read_image
from inpainting_zoo.environment import versions
from inpainting_zoo.evaluation.tables import markdown
from inpainting_zoo.layers.colour_jitter import change_colours
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import chosen_measures
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.stable_diffusion.tasks import LENGTH, TASKS
from inpainting_zoo.stable_diffusion.tokenizer import WORD_END
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.tools.commands import (
    check_same_run,
    keep_arguments,
    script,
    some_of,
    train,
)

RANDOM_PROMPTS, WORDS = 5, 8
COLOURS = 0.4  # how far those of composites are changed, see `change_colours`
SHIFT, SCALES = 0.15, (0.8, 1.25)  # of the second cut, of a cut's side
CUT = 0.7  # side of a cut by the photograph's
SIZE = 2  # sides of what is written, by the model's
STEPS = 30  # of sampling


class Pictures:
    """Pictures of a split, their subjects, composites and second views, as files.

    Args:
        source: folder or list of pictures.
        folder: to write to.
        count: at most so many.
        side: of what is written, in pixels.
        seed: of other colours and of second views.
    """

    def __init__(self, source: str, folder: Path, count: int, side: int, seed: int):
        self.images = some_of(source, count, f"{folder.name}_path")
        self.folder, self.side, self.seed = folder, side, seed

    def path(self, kind: str) -> Path:
        """Returns the folder of one kind of picture."""
        return self.folder / kind

    def write(self):
        """Writes all kinds; done.json in the folder says of what they are.

        The script stops if they are of something else.
        """
        done = self.folder / "done.json"
        about = {"images": [*map(str, self.images)], "side": self.side}
        if done.is_file():
            check_same_run(done, about)
            return
        rng = np.random.default_rng(self.seed)
        for number, path in enumerate(self.images):
            photograph = read_image(path)
            picture = fit_image(photograph, self.side)
            subject = subject_of(picture)
            first, second = two_views(rng, photograph, self.side)
            kinds = {
                "pictures": picture,
                "subjects": subject * 255,
                "composites": composite(picture, subject, [self.seed, number]),
                "first": first,
                "second": second,
            }
            for kind, array in kinds.items():
                save(array, self.path(kind) / f"{number:05d}.png")
        write_json(done, about)

    def listed(self, kind: str) -> list:
        return list_images(str(self.path(kind)), "test_path")


def save(array, path):
    """Writes a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def subject_of(picture):
    """Returns the subject around the middle of a picture, uint8 (S, S) of 0 and 1.

    Reference: Rother et al., GrabCut, SIGGRAPH 2004. Where it finds hardly anything, or
    nearly everything, the disc in the middle is taken.
    """
    side = len(picture)
    marked = np.zeros((side, side), np.uint8)
    edge = side // 6
    box = (edge, edge, side - 2 * edge, side - 2 * edge)
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, marked, box, *np.zeros((2, 1, 65)), 3, cv2.GC_INIT_WITH_RECT)
    found = np.isin(marked, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    if count > 1:
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        found = (labels == largest).astype(np.uint8)
    if not 0.03 < found.mean() < 0.5:
        disc = np.zeros_like(found)
        return cv2.circle(disc, (side // 2, side // 2), side // 5, 1, -1)
    return found


def composite(picture, subject, seed):
    """Returns a picture whose subject has other colours, uint8 (S, S, 3)."""
    drawn = np.random.default_rng(seed).uniform(-COLOURS, COLOURS, (4, 1, 1, 1, 1))
    colours = ops.convert_to_tensor(picture[None] / np.float32(255))
    changed = change_colours(colours, *drawn.astype("float32"))
    changed = np.rint(255 * ops.convert_to_numpy(changed)[0])
    return paste(changed, picture, subject[..., None]).astype(np.uint8)


def two_views(rng, photograph, side: int):
    """Returns two overlapping cuts of a photograph, uint8 (side, side, 3)."""
    height, width = photograph.shape[:2]
    cut = CUT * min(height, width)
    top, left = rng.uniform(0, (height - cut, width - cut))
    other = cut * rng.uniform(*SCALES)
    other = min(other, height, width)
    down, right = rng.uniform(-SHIFT, SHIFT, 2) * cut
    middle = top + cut / 2 + down, left + cut / 2 + right
    start = [
        np.clip(m - other / 2, 0, length - other)
        for m, length in zip(middle, (height, width))
    ]
    views = []
    for y, x, length in ((top, left, cut), (*start, other)):
        rows, columns = (slice(round(v), round(v) + round(length)) for v in (y, x))
        views.append(fit_image(photograph[rows, columns], side))
    return views


class Proof:
    """What is trained and measured of one seed.

    Args:
        options: of the command line.
        training, test: `Pictures` of both splits.
        seed: of the trainings.
    """

    def __init__(self, options, training: Pictures, test: Pictures, seed: int):
        self.options, self.training, self.test = options, training, test
        self.seed = seed

    def learned(self, stage: str, name: str, *arguments):
        """Trains a stage to its end; returns the files that it has learned."""
        experiment = f"{name}_{self.seed}"
        folder = Path(self.options.output_path, experiment, "weights")
        common = ["-preset", "sd_small", "-stage", stage, "-seed", self.seed]
        common += ["-from_weights", self.options.from_weights]
        common += [*self.options.further, *arguments]
        train(experiment, self.options.output_path, *common)
        return sorted(folder.glob("*.safetensors"))

    def model(self, files: list):
        """Returns the model with what was learned beside it."""
        return presets.load_file(self.options.from_weights, adapters=files)[0]

    def pairs(self, kind: str, masks: str, side: int, **further):
        return EvaluationPairs(self.test.listed(kind), masks, side, **further)

    def remove(self) -> dict:
        """Returns the losses of pictures by the learned prompt, and by others."""
        path = self.training.path
        files = self.learned(
            *("task_inversion", "remove", "-train_path", path("pictures")),
            *("-objects_path", path("subjects"), "-masks", "moved_object=1"),
            *("-set", "task=remove"),
        )
        model = self.model(files)
        side = model.image_size
        pairs = self.pairs(
            "pictures", "moved_object=1", side, objects=self.test.listed("subjects")
        )
        model.begin("task_inversion", lambda name, **options: keras.optimizers.SGD())
        (prompt,) = model.prompts["remove"].variables
        texts = {"no text": "", "its first text": TASKS["remove"].text}
        texts |= {f'"{text}"': text for text in self.options.texts}
        tried = {
            "learned": [ops.convert_to_numpy(prompt)],
            "random words": random_prompts(model, self.seed),
            **{name: [embedded(model, text)] for name, text in texts.items()},
        }
        return {
            name: self.best(model, prompt, each, pairs) for name, each in tried.items()
        }

    def best(self, model, prompt, tried, pairs) -> list:
        """Returns the losses of pictures by the best of some prompts."""
        found = []
        for embeddings in tried:
            prompt.assign(embeddings)
            found.append([model.validation_number(x, x, mask) for _, x, mask in pairs])
        return min(found, key=np.mean)

    def harmonize(self) -> dict:
        """Returns the colour errors of what is made of composites, and of these."""
        path = self.training.path
        files = self.learned(
            *("harmonization", "harmonize", "-train_path", path("composites")),
            *("-objects_path", path("subjects")),
            *("-aligned", f"target={path('pictures')}", "-set", "lora_rank=24"),
        )
        model = self.model(files)
        side = model.image_size
        pairs = self.pairs(
            *("composites", "subject=1", side),
            objects=self.test.listed("subjects"),
            aligned={"target": self.test.listed("pictures")},
        )
        found = {"harmonized": [], "composites": [], "without LoRA": []}
        for index, (_, image, mask, aligned) in enumerate(pairs):
            harmonized, without = (
                model.inpaint(
                    image, mask, index, task="harmonize", num_steps=STEPS,
                    lora_scale=scale,
                )
                for scale in (1.0, 0.0)
            )  # fmt: skip
            for name, picture in zip(found, (harmonized, image, without)):
                found[name].append(colour_error(aligned["target"], picture, mask))
        return found

    def refer(self) -> dict:
        """Returns LPIPS in the hole by a second view, no text, and another's view."""
        path = self.training.path
        files = self.learned(
            *("reference", "refer", "-train_path", path("first")),
            *("-aligned", f"reference={path('second')}"),
        )
        model = self.model(files)
        side = model.image_size
        pairs = self.pairs(
            *("first", model.masks, side),
            aligned={"reference": self.test.listed("second")},
        )
        lpips = chosen_measures("lpips")["lpips"].function
        found = {"beside it": [], "no text": [], "beside another": []}
        pictures = [*pairs]
        for index, (_, image, mask, own) in enumerate(pictures):
            other = pictures[index - 1][3]
            shown = [own["reference"]], [], [other["reference"]]
            for name, references in zip(found, shown):
                model.refer_to(*references)
                made = model.inpaint(
                    image, mask, index, guidance_scale=1.0, num_steps=STEPS
                )
                distance = float(lpips(image, made, mask))
                found[name].append(distance / np.mean(mask, dtype=float))
        return found


def random_prompts(model, seed: int) -> list:
    """Returns the embeddings of random words, (LENGTH, C) each."""
    rng, vocabulary = np.random.default_rng(seed), model.tokenizer.vocabulary
    plain = [token for token in vocabulary if token.endswith(WORD_END)]
    texts = rng.choice(plain, (RANDOM_PROMPTS, WORDS))
    return [
        embedded(model, " ".join(x.removesuffix(WORD_END) for x in t)) for t in texts
    ]


def embedded(model, text: str):
    """Returns the embeddings of a text in a prompt's length, (LENGTH, C)."""
    tokens = model.tokenizer(text, model.length)[None]
    return ops.convert_to_numpy(model.text_encoder(tokens))[0, :LENGTH]


def colour_error(truth, picture, mask) -> float:
    """Returns how far the mean colour of a subject is from the true one, CIE76."""
    means = (skimage.color.rgb2lab(x)[mask != 0].mean(axis=0) for x in (truth, picture))
    return float(np.linalg.norm(np.subtract(*means)))


PROOFS = ("remove", "harmonize", "refer")


def main(argv=None):
    options = parse(argv)
    folder = Path(options.output_path)
    about = {k: v for k, v in vars(options).items() if k not in ("only", "seeds")}
    side = SIZE * presets.sized("sd_small")[0]
    splits = [
        Pictures(path, folder / name, count, side, seed)
        for seed, (name, path, count) in enumerate(
            (
                ("train", options.train_path, options.train_limit),
                ("test", options.test_path, options.test_limit),
            )
        )
    ]
    keep_arguments(folder / "arguments.json", about)
    for split in splits:
        split.write()
    found = {name: {} for name in options.only}
    for name in options.only:
        for seed in options.seeds:
            path = folder / f"{name}_{seed}.json"
            if not path.is_file():
                write_json(path, getattr(Proof(options, *splits, seed), name)())
            found[name][seed] = json.loads(path.read_text())
    table = {name: summary(seeds) for name, seeds in found.items()}
    made = {"seeds": options.seeds, "arguments": about, "versions": versions()}
    write_json(folder / "proof.json", made | {"proofs": table})
    print(page(table))


def summary(seeds: dict) -> dict:
    """Returns means over pictures and seeds, and differences to the first row.

    Args:
        seeds: seed -> row -> numbers of the same pictures.

    Returns:
        Row -> "mean"; of others than the first also "change" of the first to it in
        parts of it, its 95 % "interval", picture by picture, of the means of all seeds,
        and "seeds", the change of each.
    """
    rows = {
        row: np.mean([found[row] for found in seeds.values()], axis=0)
        for row in next(iter(seeds.values()))
    }
    (name, first), *others = rows.items()
    table = {row: {"mean": float(values.mean())} for row, values in rows.items()}
    for row, values in others:
        mean = values.mean()
        low, high = bootstrap_intervals((first - values)[:, None] / mean, 0)
        table[row] |= {
            "change": float((first.mean() - mean) / mean),
            "interval": [float(low[0]), float(high[0])],
            "seeds": [
                float(np.mean(found[name]) / np.mean(found[row]) - 1)
                for found in seeds.values()
            ],
        }
    return table


def page(table: dict) -> str:
    """Returns the table in Markdown."""
    lines = []
    for proof, rows in table.items():
        for row, found in rows.items():
            change = ""
            if "change" in found:
                low, high = found["interval"]
                each = ", ".join(f"{change:+.1%}" for change in found["seeds"])
                change = f"{found['change']:+.1%} ({low:+.1%} to {high:+.1%}; {each})"
            lines.append([proof, row, f"{found['mean']:.4f}", change])
    return markdown(["task", "", "mean", "the first's change (95 %; seeds)"], lines)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )

    def add(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", **settings)

    for name in ("train_path", "test_path", "from_weights"):
        add(name, required=True)
    add("seeds", type=int, nargs="+", default=[0, 1, 2])
    add("only", nargs="+", default=[*PROOFS], choices=PROOFS, help="all")
    add("train_limit", type=int, default=2000, help="most pictures to train on")
    add("test_limit", type=int, default=200, help="most pictures of the test")
    add("texts", nargs="+", default=[], help="further prompts to compare remove with")
    add("output_path", default="outputs/seele_proof")
    options, options.further = parser.parse_known_args(argv)
    return options


if __name__ == "__main__":
    script(main)
