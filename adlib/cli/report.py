"""`adlib report`: the table of folders of results, or our numbers next to a paper's."""

import argparse
import sys
from pathlib import Path

from adlib.cli.parser import PAPERS, choice, place
from adlib.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report", help="print the table of folders of results, or our numbers next to a paper's"
    )
    parser.add_argument(
        "results", type=place, nargs="*", metavar="FOLDER", help="folders of results; with --paper, results/ by default"
    )
    choice(parser, "--paper", PAPERS, "our numbers next to the published ones")
    parser.add_argument("--results", dest="folders", type=place, nargs="+", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=place, metavar="FILE", help="with --paper: also write a .html, .md or .csv file")
    parser.add_argument("--by", nargs="+", help="without --paper: columns to group by (default: data set to shots)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> None:
    if options.folders:
        print("adlib: --results is deprecated; name the folders alone: `adlib report FOLDER ...`.", file=sys.stderr)
    folders = options.results + options.folders
    if options.paper:
        from adlib.papers.page import print_page

        print_page(options.paper, folders or [Path("results")], options.out)
    elif options.out:
        raise InputError("--out works only with --paper; add --paper or remove --out.")
    else:
        _print_table(folders, options)


def _print_table(folders: list[Path], options: argparse.Namespace) -> None:
    from adlib.experiments.store import ResultStore, as_frame
    from adlib.reports.tables import GROUP, table

    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing or not folders:
        what = f"There is no folder {missing[0]}" if missing else "No folder is given"
        raise InputError(f"{what}; give a folder of results, such as runs/elpv/results.")
    results = [result for folder in folders for result in ResultStore(folder).results()]
    text = table(as_frame(results), tuple(options.by or GROUP))
    print(text.to_markdown(index=False) if options.markdown else text.to_string(index=False))
