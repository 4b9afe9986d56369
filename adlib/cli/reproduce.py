"""`adlib reproduce`: run every row of a paper's table."""

import argparse
from pathlib import Path

from adlib.cli.arguments import cluster_arguments, cluster_of, machine_arguments, say_failures
from adlib.cli.parser import PAPERS, PREPROCESS, choice, expanded, place


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reproduce", help="run every row of a paper's table, then print our numbers next to the published ones"
    )
    choice(parser, "paper", PAPERS, "the paper")
    parser.add_argument("--data", type=expanded, required=True, help="MVTec AD, VisA or a folder laid out like them")
    parser.add_argument("--category", nargs="+", default=[], help="categories (default: all)")
    parser.add_argument("--backbone", nargs="+", default=[], help="backbones (default: the paper's)")
    machine_arguments(parser)
    parser.add_argument(
        "--shots", nargs="+", default=[], help="numbers of good images, or full; WinCLIP: also 0 (default: the paper's)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[], help="one sample of the shots for each (default: the paper's)"
    )
    parser.add_argument(
        "--resolution",
        type=int,
        nargs="+",
        default=[],
        help="AnomalyDINO: shorter sides in pixels (default: 448 672); WinCLIP: the side that its network takes (240)",
    )
    choice(
        parser,
        "--preprocess",
        PREPROCESS,
        "AnomalyDINO: rotation and masking, by default agnostic",
        nargs="+",
        default=[],
    )
    parser.add_argument(
        "--coreset", type=float, nargs="+", default=[], help="PatchCore: fractions (default: 0.25 0.1 0.01)"
    )
    cluster_arguments(parser)
    parser.add_argument("--results", type=place, help="folder of results (default: runs/reproduce/PAPER)")
    parser.add_argument("--out", type=place, metavar="FILE", help="also write the table as .html, .md or .csv")
    parser.add_argument("--plan", action="store_true", help="print what would run, and stop")
    parser.set_defaults(command=_reproduce)


def _reproduce(options: argparse.Namespace) -> int:
    from adlib.experiments.failures import Failure
    from adlib.experiments.planning import Machine
    from adlib.papers.page import print_page
    from adlib.papers.reproduction import Reproduction, check_data, reproduce

    job = Reproduction(
        paper=options.paper,
        data=options.data,
        results=options.results or Path("runs/reproduce") / options.paper,
        categories=tuple(options.category),
        backbones=tuple(options.backbone),
        resolutions=tuple(options.resolution),
        preprocess=tuple(options.preprocess),
        coresets=tuple(options.coreset),
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        machine=Machine(options.weights, options.device),
    )
    dataset, lines = check_data(job)
    print("\n".join([*lines, job.describe(dataset)]), flush=True)
    if options.plan:
        return 0
    failures: list[Failure] = []
    with cluster_of(options) as client:
        if client is None:
            reproduce(job, dataset)
        else:
            from adlib.papers.on_cluster import reproduce_on

            failures = reproduce_on(client, job, dataset, options.retry_failed)
    print_page(job.paper, [job.results], options.out)
    return say_failures(failures)
