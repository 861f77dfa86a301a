"""The command line: train (default), evaluate, inpaint, export and others."""

from inpainting_zoo.cli import console

if __name__ == "__main__":
    console()
