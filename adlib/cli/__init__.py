"""The commands of `adlib`, thin ones on `experiments` and the rooms above it, one per module.

Each module has `add(commands)`, which declares the arguments, and imports the library only when its command runs:
`adlib --help` need not wait for torch.
"""

import argparse
import io
import sys
from collections.abc import Sequence

from adlib.cli import chat, check, export, methods, predict, report, reproduce, run, sweep, version
from adlib.cli.parser import Parser
from adlib.errors import InputError

_COMMANDS = (check, run, sweep, report, reproduce, predict, export, methods, chat)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 2 with one sentence on invalid input, 130 when interrupted."""
    _escape_what_cannot_be_shown()
    options = _options(arguments)
    try:
        return options.command(options) or 0
    except InputError as error:
        if options.debug:
            raise
        print(f"adlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("adlib: interrupted; finished results are on disk, run the command again to continue.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output stopped, as in `adlib check ... | head`
        sys.stderr.close()
        return 0
    except (OSError, MemoryError, RuntimeError) as error:  # a full disk, no permission, no memory on the GPU, ...
        if options.debug:
            raise
        reason = " ".join(str(error).split()) or "out of memory"
        print(f"adlib: {reason} (`adlib --debug COMMAND ...` shows where)", file=sys.stderr)
        return 2


def _escape_what_cannot_be_shown() -> None:
    """Characters that a console or a log file has no code for are printed as \\xb1 or \\u710a instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook has streams of its own, which show every character
            stream.reconfigure(errors="backslashreplace")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed arguments; `command` is the function to call with them."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.version:
        options.command = _version
    elif options.verbose:
        parser.error("--verbose goes with --version")
    elif "command" not in options:
        parser.error("a command is missing: " + ", ".join(module.__name__.rpartition(".")[2] for module in _COMMANDS))
    return options


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="adlib", description="Industrial image anomaly detection.")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    parser.add_argument("--verbose", action="store_true", help="with --version: also packages, device, cores and cache")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser


def _version(options: argparse.Namespace) -> None:
    print("\n".join(version.lines(options.verbose)))
