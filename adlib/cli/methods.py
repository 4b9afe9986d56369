"""`adlib methods`: all methods, one line each."""

import argparse
import inspect


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("methods", help="list the methods: name, family, chapter, one line")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.set_defaults(command=_methods)


def _methods(options: argparse.Namespace) -> None:
    import pandas as pd

    from adlib.detectors import DETECTORS

    rows = [(name, cls.family, cls.chapter, _first_line(cls)) for name, cls in DETECTORS.items()]
    table = pd.DataFrame(rows, columns=["method", "family", "chapter", "what it is"])
    table = table.sort_values(["chapter", "method"])
    print(table.to_markdown(index=False, disable_numparse=True) if options.markdown else _aligned(table))


def _first_line(cls: type) -> str:
    return inspect.getdoc(cls).splitlines()[0]


def _aligned(table) -> str:
    """The table as text, columns aligned left."""
    rows = [list(table.columns), *table.to_numpy().tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
