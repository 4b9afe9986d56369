"""`adlib sweep`: shot counts x seeds x methods, then one table and one page."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adlib.cli.announce import announce, say_doubts, say_gaps, say_labelled, say_methods
from adlib.cli.arguments import (
    chosen,
    cluster_arguments,
    cluster_of,
    data_arguments,
    machine_arguments,
    protocol_arguments,
    reading,
    say_failures,
)
from adlib.cli.parser import METHODS, choice, place
from adlib.errors import InputError

if TYPE_CHECKING:
    from adlib.experiments.sweep import Job, Sweep


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("sweep", help="run shot counts x seeds x methods with papermill, then report")
    data_arguments(parser)
    parser.add_argument("--category", nargs="+", default=[], help="categories (default: all)")
    choice(
        parser,
        "--method",
        METHODS,
        "detectors; `adlib methods` describes each",
        nargs="+",
        default=["patchcore", "anomalydino"],
    )
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="good images to learn from")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one sample of the shots for each")
    protocol_arguments(parser)
    machine_arguments(parser)
    parser.add_argument("--workers", type=int, default=2, help="notebooks run at the same time, without --cluster")
    cluster_arguments(parser)
    parser.add_argument("--out", type=place, help="folder of results, notebooks and report (default: runs/NAME)")
    parser.add_argument(
        "--figures", type=place, metavar="DIR", help="also write the curve and overlays as PNG files to DIR"
    )
    parser.set_defaults(command=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    from adlib.experiments.calibrate import check_rate
    from adlib.experiments.failures import Failure
    from adlib.experiments.sweep import datasets_of, jobs, run_sweep

    sweep = _asked(options)
    check_rate(options.false_alarms)
    failures: list[Failure] = []
    with cluster_of(options) as client:
        datasets = datasets_of(sweep)
        say_gaps(datasets)
        say_doubts(datasets)
        say_labelled(datasets, options.labelled)
        planned = jobs(sweep)
        say_methods([job.protocols[0] for job in planned])
        waiting = [(p, job.dataset) for job in planned for p in job.protocols if p not in sweep.store]
        announce(waiting, sweep.machine, sweep.out, len(client.nthreads()) or 1 if client else sweep.workers)
        if client is None:
            planned, news = run_sweep(sweep)
        else:
            from adlib.cluster import run_sweep_on

            news, failures = run_sweep_on(client, sweep, planned, options.retry_failed)
    _show(options, sweep, planned, news)
    return say_failures(failures)


def _asked(options: argparse.Namespace) -> "Sweep":
    from adlib.data.names import real_path, storable
    from adlib.experiments.sweep import Sweep
    from adlib.files import short_name

    if min(options.shots) < 1:
        raise InputError(
            f"The shots of a sweep must be at least 1, not {min(options.shots)}; `adlib run --shots 0` is zero-shot."
        )
    name = options.data if options.data in ("elpv", "toy") else storable(real_path(options.data).resolve().name)
    return Sweep(
        data=options.data,
        out=options.out or Path("runs") / short_name(name, 255),
        categories=tuple(options.category),
        methods=tuple(options.method),
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        layout=options.layout,
        **reading(options),
        workers=options.workers,
        **chosen(options),
    )


def _show(options: argparse.Namespace, sweep: "Sweep", done: "Sequence[Job]", news: bool) -> None:
    """Print the table, and write the page where it does not show these results."""
    from dataclasses import replace

    from adlib.experiments.calibrate import at_rate, explain
    from adlib.reports.page import page_shows, write_figures, write_report
    from adlib.reports.tables import table
    from adlib.reports.titles import method_title, titled

    stored = [found for job in done for protocol in job.protocols if (found := sweep.store.get(protocol))]
    results = [replace(r, row=at_rate(r.row, r.scores, options.false_alarms)) for r in stored]
    if not results:  # all runs failed
        return
    print(table(titled(results)).to_string(index=False))
    most = {
        (r.protocol.method, r.protocol.category): r for r in reversed(results)
    }  # jobs are sorted by shots, descending
    for (_, category), result in sorted(most.items()):
        p = result.protocol
        print(f"\n{method_title(p)}, {category}, {p.shots} shots, seed {p.seed}")
        print("\n".join(explain(result.row, options.false_alarms)))
    page = sweep.out / "report.html"
    datasets = {job.dataset.categories[0]: job.dataset for job in done}
    if news or not page_shows(page, results, options.false_alarms):
        write_report(results, sweep.store, page, datasets, sweep.machine, options.false_alarms)
    print(f"\nReport: {page}\nNotebooks: {sweep.out / 'notebooks'}")
    if options.figures:
        write_figures(results, sweep.store, options.figures, datasets, sweep.machine)
        print(f"Figures: {options.figures}")
