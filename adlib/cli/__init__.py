"""`adlib check | run | sweep | report | reproduce | predict`: thin, over `experiments`; one module a command.

A module brings `add(commands)`, which declares its arguments, and imports what it works with only when it is called:
`adlib --help` need not wait for torch.
"""

import argparse
import sys
from collections.abc import Sequence

from adlib import __version__
from adlib.cli import check, predict, report, reproduce, run, sweep
from adlib.errors import InputError

_COMMANDS = (check, run, sweep, report, reproduce, predict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 with one sentence on bad input, 130 when interrupted."""
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adlib", description="Industrial image anomaly detection.")
    parser.add_argument("--version", action="version", version=f"adlib {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return parser
