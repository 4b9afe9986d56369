"""Pack results before a commit: move the single files of runs into the three files of their folder's study.

    python tools/pack_results.py FOLDER ...         such as results/elpv/methods, after a benchmark added runs to it

Runs that are already packed stay; a repeated run replaces its older row. The single files are removed only when the
pack gives back every row and score unchanged (`adlib.experiments.packs`). Patch scores (.safetensors) stay.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from adlib.errors import InputError
from adlib.experiments.packs import pack_folder


def main(arguments: Sequence[str]) -> int:
    """Entry point of `python tools/pack_results.py`."""
    folders = [Path(argument) for argument in arguments]
    if not folders or any(not folder.is_dir() for folder in folders):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for folder in folders:
            moved, total = pack_folder(folder)
            print(f"{folder}: {moved} runs packed, {total} in all")
    except InputError as error:
        print(f"pack_results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
