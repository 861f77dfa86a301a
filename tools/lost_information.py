"""Draws what the autoencoder of a latent diffusion model loses of a picture.

    python tools/lost_information.py -image PATH -experiment_name NAME

decodes a picture of its own latents, that picture's latents again and so on, and writes
decoded.png, what it has become after some times, and spectrum.png, how strong each
frequency still is, into the experiment. The decoder knows nothing but the latents.

Reference for the second: Park and Kim, How Do Vision Transformers Work?, ICLR 2022.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np

from inpainting_zoo.data.images import fit_image, read_image
from inpainting_zoo.drawing import grid, save_png
from inpainting_zoo.storage.files import write_bytes
from inpainting_zoo.tools.autoencoder import decoding, load
from inpainting_zoo.tools.commands import script


def main(argv=None):
    options = parse(argv)
    folder = Path(options.output_path, options.experiment_name)
    model = load(folder)
    image = fit_image(read_image(options.image), model.image_size)
    pictures = decoded(decoding(model), image, options.times)
    labels = ["the picture", *(f"decoded {n} x" for n in options.times)]
    save_png(folder / "decoded.png", grid([pictures], labels))
    draw(dict(zip(labels, pictures)), folder / "spectrum.png")
    print(folder / "decoded.png", folder / "spectrum.png", sep="\n")


def decoded(decode, image, times: list) -> list:
    """Returns a picture, and what it is after having been decoded so many times.

    Args:
        decode: takes a picture uint8 (S, S, 3) and a mask, returns a picture.
        image: uint8 (S, S, 3).
        times: rising numbers.
    """
    found, mask = [image], np.ones(image.shape[:2])
    for n in range(1, max(times) + 1):
        image = decode(image, mask)
        if n in times:
            found.append(image)
    return found


def relative_log_amplitude(image):
    """Returns the logarithm of each frequency's amplitude over that of frequency 0.

    Args:
        image: (S, S, 3).

    Returns:
        (S // 2,): the mean over directions and colours, of 0, 1, ... periods a side.
    """
    side = len(image)
    amplitude = np.abs(np.fft.fft2(np.float64(image), axes=(0, 1))).mean(axis=-1)
    periods = np.fft.fftfreq(side, 1 / side)
    rings = np.rint(np.hypot(periods[:, None], periods)).astype(int).ravel()
    total = np.bincount(rings, np.log(amplitude + 1e-8).ravel())
    means = total / np.maximum(np.bincount(rings), 1)
    return (means - means[0])[: side // 2]


def draw(pictures: dict, path):
    """Draws the spectra of pictures, by label, into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for label, picture in pictures.items():
        values = relative_log_amplitude(picture)
        frequencies = np.arange(len(values)) / len(values)
        axis.plot(frequencies, values, label=label)
    axis.set(xlabel="frequency, of the largest", ylabel="relative log amplitude")
    axis.legend()
    drawn = BytesIO()
    figure.savefig(drawn, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
    write_bytes(path, drawn.getvalue())


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("-image", required=True)
    parser.add_argument("-experiment_name", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-times", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options = parser.parse_args(argv)
    options.times = sorted({*options.times})
    if options.times[0] < 1:
        parser.error(f"-times: must be at least 1, received {options.times[0]}")
    return options


if __name__ == "__main__":
    script(main)
