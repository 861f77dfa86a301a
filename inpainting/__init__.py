"""Completing files, folders and large pictures with any completing function."""

from inpainting.files import inpaint_file, inpaint_folder
from inpainting.large import choose_strategy, complete_large

__all__ = ["choose_strategy", "complete_large", "inpaint_file", "inpaint_folder"]
