"""`adlib check | run | sweep | report | reproduce | predict | methods`: thin, over `experiments`; one module a command.

A module brings `add(commands)`, which declares its arguments, and imports what it works with only when it is called:
`adlib --help` need not wait for torch.
"""

import argparse
import sys
from collections.abc import Sequence

from adlib.cli import check, methods, predict, report, reproduce, run, sweep, version
from adlib.cli.parser import Parser
from adlib.errors import InputError

_COMMANDS = (check, run, sweep, report, reproduce, predict, methods)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 with one sentence on bad input, 130 when interrupted."""
    options = _options(arguments)
    try:
        return options.command(options) or 0
    except InputError as error:
        if options.debug:
            raise
        print(f"adlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("adlib: interrupted; what was finished is on disk, start again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as `adlib check ... | head` does
        sys.stderr.close()
        return 0
    except (OSError, MemoryError, RuntimeError) as error:  # a full disk, no rights, no memory on the GPU, ...
        if options.debug:
            raise
        reason = " ".join(str(error).split()) or "out of memory"
        print(f"adlib: {reason} (`adlib --debug COMMAND ...` shows where)", file=sys.stderr)
        return 2


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; its `command` is a function of it."""
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
    parser.add_argument("--verbose", action="store_true", help="with --version: packages, device, cores, cache as well")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser


def _version(options: argparse.Namespace) -> None:
    print("\n".join(version.lines(options.verbose)))
