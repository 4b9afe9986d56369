"""`adlib check`: what a folder of images contains, and the next command to run."""

import argparse
from pathlib import Path
from typing import Any

from adlib.cli.arguments import reading, reading_arguments
from adlib.cli.parser import expanded, place
from adlib.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="print what a folder of images contains, and the next command to run")
    parser.add_argument("folder", type=expanded, help="data set or folder of images")
    reading_arguments(parser)
    parser.add_argument(
        "--suspects",
        action="store_true",
        help="also list the good training images of each category that are most unlike the rest: defects among them?",
    )
    parser.add_argument("--most", type=int, default=10, metavar="N", help="with --suspects: number of images listed")
    parser.add_argument("--out", type=place, metavar="FILE", help="with --suspects: also write a page, .html")
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from adlib.data.check import check_folder

    if options.out and not options.suspects:
        raise InputError("--out works only with --suspects; add --suspects or remove --out.")
    report = check_folder(options.folder, layout=options.layout, show_progress=True, **reading(options))
    print("\n".join(report.lines))
    print(f"  {report.command}")
    if options.suspects and report.dataset is not None:
        _suspects(report, options.most, options.out)
    return 0 if report.ok else 1


def _suspects(report: Any, most: int, target: Path | None) -> None:
    from adlib.data.names import printable
    from adlib.inspection.suspects import EXPLANATION, as_text, check_ending, find_suspects, write_page

    if target:
        check_ending(target)  # before the work
    found = {}
    for name in report.dataset.categories:
        found[name] = find_suspects(report.dataset.category(name), most, report.window, show_progress=True)
        print(f"\n{printable(name)}: good training images most unlike the rest\n{as_text(found[name])}")
    print(EXPLANATION)
    if target:
        print(f"Written: {write_page(found, target)}")
