"""The command line: train (default), evaluate, inpaint, export and others."""

import sys

try:
    from inpainting_zoo.cli import console
except ModuleNotFoundError as error:
    sys.exit(
        f"error: {error.name} is not installed: run `make setup` or pip install -e ."
    )

if __name__ == "__main__":
    console()
