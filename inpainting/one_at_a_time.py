"""Folders by models that others complete pictures for: one in memory at a time."""

import contextlib
import shutil
from pathlib import Path

from tqdm import tqdm

from inpainting_zoo.inpainting.picture import complete_bytes


class Through:
    """A model whose windows of pictures one of its members completes.

    Args:
        model: whose windows they are.
        member: one of `model.members`.
    """

    def __init__(self, model, member):
        self.model, self.member = model, member

    def __getattr__(self, name):
        return getattr(self.model, name)

    def predict_images(self, images, masks, seed: int = 0, **options):
        """Returns what the member completes; see `Completer.predict_images`."""
        return self.member.inpaint_batch(images, masks, seed)


@contextlib.contextmanager
def members_first(model, folder: Path, todo: list):
    """Lets one member after the other complete all pictures, for the model after them.

    In the block the model finds what they completed on disk. A window that it sees with
    another content, since what fills an earlier one is known there, is completed anew.

    Args:
        model: with `members`.
        folder: where completions are kept until the block ends well; those of a run
            that was stopped are taken from there.
        todo: (picture, mask, options of `complete_bytes`) of each that is left; nothing
            happens for less than two.
    """
    if len(todo) < 2:
        yield
        return
    with contextlib.ExitStack() as stack:
        for member in model.members.values():
            stack.enter_context(member.keeping(folder / member.name))
            bar = tqdm(todo, member.name, unit="file", disable=None)
            for picture, mask, options in bar:
                with contextlib.suppress(Exception):  # the model will say what is wrong
                    complete_bytes(Through(model, member), picture, mask, **options)
            member.release()
        yield
    shutil.rmtree(folder, ignore_errors=True)
