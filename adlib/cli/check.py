"""`adlib check`: what a folder of images contains, and the next command to run."""

import argparse

from adlib.cli.arguments import reading, reading_arguments
from adlib.cli.parser import expanded


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="print what a folder of images contains, and the next command to run")
    parser.add_argument("folder", type=expanded, help="data set or folder of images")
    reading_arguments(parser)
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from adlib.data.check import check_folder

    report = check_folder(options.folder, layout=options.layout, show_progress=True, **reading(options))
    print("\n".join(report.lines))
    print(f"  {report.command}")
    return 0 if report.ok else 1
