"""The command line shared by all data scripts: --to, --from, --check, and the licence before them."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from adlib.data.fetch.archives import unpack
from adlib.data.fetch.source import Source, Verdict
from adlib.data.fetch.staging import building, copy_below, move_below, refuse_existing
from adlib.data.names import printable
from adlib.download import DownloadError, download
from adlib.errors import InputError


def main(source: Source, arguments: Sequence[str] | None = None) -> int:
    """Run one data script.

    source: the data set.
    arguments: the command line; None for sys.argv.
    Returns 0 on success, 1 if counts differ, 2 with one sentence for bad input, 130 when interrupted.
    """
    parser = _parser(source)
    options = parser.parse_args(arguments)
    try:
        if options.check is not None:
            return _check(source, options.check)
        if options.to is None:
            raise InputError("Nothing to do: give a folder for the data set (--to DIR) or one to verify (--check DIR).")
        return _make(source, options)
    except InputError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; start again to resume the download.", file=sys.stderr)
        return 130


def _parser(source: Source) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=f"Get and check {source.name} ({source.page}).",
        epilog="Without --from the archive is downloaded next to DIR, and an interrupted download is resumed.",
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder for the data set; it must not exist yet")
    parser.add_argument(
        "--from", dest="given", type=Path, metavar="PATH", help="archive or folder that was downloaded manually"
    )
    parser.add_argument("--check", type=Path, metavar="DIR", help="only verify an existing folder")
    parser.add_argument("--accept-licence", action="store_true", help="accept the licence without being asked")
    parser.add_argument("--url", default=source.url, help="another address of the same archive")
    source.add_options(parser)
    return parser


def _check(source: Source, folder: Path) -> int:
    verdict = source.check(folder)
    _say(source, verdict)
    if not verdict.verified and not verdict.mismatches:
        raise InputError(f"{printable(folder)} holds nothing of {source.name}; check the path.")
    return 1 if verdict.mismatches else 0


def _make(source: Source, options: argparse.Namespace) -> int:
    refuse_existing(options.to)
    print(f"{source.name}, {source.page}\n{source.licence}", flush=True)
    given = options.given
    if given is None:
        given = _fetch(source, options)
    elif not given.exists():
        raise InputError(f"There is no {printable(given)}; check the path.")
    with building(options.to) as staging:
        made, unpacked, place = staging / "made", given, copy_below
        made.mkdir()
        if given.is_file():
            unpacked, place = staging / "unpacked", move_below
            unpacked.mkdir()
            unpack(given, unpacked)
        lines = source.arrange(unpacked, made, place, options)
        verdict = source.check(made)
        if options.given is None:  # a download must be complete
            verdict.mismatches += [f"{name} is missing." for name in verdict.missing]
        if verdict.mismatches:
            _say(source, verdict)
            raise InputError(f"{printable(options.to)} was not made, because the counts above differ.")
    for line in lines:
        print(line)
    _say(source, verdict)
    if options.given is None:
        print(f"The archive {printable(given)} is no longer needed.")
    return 0


def _fetch(source: Source, options: argparse.Namespace) -> Path:
    if options.url is None:
        raise InputError(
            f"{source.name} has no stable address: download {source.archive} from {source.page}"
            " and give it with --from."
        )
    _ask(source, options)
    archive = Path(os.path.abspath(options.to)).parent / source.archive
    try:
        return download(options.url, archive, sha256=source.sha256)
    except DownloadError as error:
        by_hand = f"or download it manually from {source.page} and give it with --from."
        raise InputError(f"{str(error).removesuffix('.')}, {by_hand}") from error


def _ask(source: Source, options: argparse.Namespace) -> None:
    if options.accept_licence:
        return
    if not sys.stdin.isatty():
        raise InputError(f"The licence of {source.name} must be accepted: start again with --accept-licence.")
    try:
        answer = input("Do you accept this licence? [yes/no] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise InputError(f"{source.name} was not downloaded, because its licence was not accepted.")


def _say(source: Source, verdict: Verdict) -> None:
    if verdict.verified:
        print(f"verified: {', '.join(verdict.verified)}")
    if verdict.missing:
        print(f"missing: {', '.join(verdict.missing)}")
    for sentence in verdict.mismatches:
        print(sentence, file=sys.stderr)
