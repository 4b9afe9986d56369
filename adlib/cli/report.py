"""`adlib report`: the table of a folder of results, or ours beside a paper's."""

import argparse
from pathlib import Path

from adlib.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="print the table of a folder of results")
    parser.add_argument("results", type=Path, nargs="?", help="folder of results")
    parser.add_argument("--paper", help="patchcore or anomalydino: ours beside every published number")
    parser.add_argument("--results", dest="folders", type=Path, nargs="+", metavar="DIR", help="with --paper: folders")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --paper: also write a .html, .md or .csv file")
    parser.add_argument("--by", nargs="+", help="columns to group by (default: data set to shots)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> None:
    from adlib.experiments.store import ResultStore, as_frame
    from adlib.reports.tables import GROUP, table

    if options.paper:
        from adlib.papers.page import print_page

        print_page(options.paper, options.folders or [options.results or Path("results")], options.out)
        return
    if options.folders or options.out:
        raise InputError("--results and --out belong to --paper; give a folder of results alone, or --paper as well.")
    if options.results is None or not options.results.is_dir():
        place = options.results or "named"
        raise InputError(f"There is no folder {place}; give a folder of results, such as runs/elpv/results.")
    text = table(as_frame(ResultStore(options.results).results()), tuple(options.by or GROUP))
    print(text.to_markdown(index=False) if options.markdown else text.to_string(index=False))
