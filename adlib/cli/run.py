"""`adlib run`: one detector, one sample of shots, one result."""

import argparse
from pathlib import Path

from adlib.cli.announce import announce, say_doubts, say_gaps, say_labelled
from adlib.cli.arguments import chosen, data_arguments, machine_arguments, protocol_arguments, reading
from adlib.cli.parser import METHODS, choice, place


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="fit one detector, score the test images, store the result")
    data_arguments(parser)
    parser.add_argument("--category", help="the category; required if there are several")
    choice(parser, "--method", METHODS, "the detector; `adlib methods` describes each", default="patchcore")
    parser.add_argument("--shots", type=int, help="number of good images to learn from (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample of shots")
    protocol_arguments(parser)
    machine_arguments(parser)
    parser.add_argument("--results", type=place, default=Path("runs/results"), help="folder of results")
    parser.add_argument("--save", type=place, metavar="FILE", help="also save the fitted detector")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    from adlib.data import load_dataset
    from adlib.experiments.calibrate import check_rate, explain
    from adlib.experiments.choices import Choices
    from adlib.experiments.execution import fit_and_save, run
    from adlib.experiments.store import ResultStore
    from adlib.features.cache import TensorCache

    dataset = load_dataset(options.data, options.category, options.layout, options.split_seed, **reading(options))
    choices = Choices(**chosen(options))
    machine = choices.machine
    protocol = choices.protocol(dataset, options.method, options.shots, options.seed)
    check_rate(options.false_alarms)
    store = ResultStore(options.results)
    say_gaps([dataset] if dataset.test else [])  # without test images, `run` says what to do
    say_doubts([dataset])
    say_labelled([dataset], options.labelled)
    if options.save or protocol not in store:
        announce([(protocol, dataset)], machine, options.results)
    how = {"machine": machine, "cache": TensorCache(), "show_progress": True, "false_alarms": options.false_alarms}
    if options.save and not dataset.test:
        row = fit_and_save(protocol, dataset, options.save, **how)
        print(f"{protocol.title}\n  no test images: {options.save} is written, without metrics")
        print("\n".join(explain(row, options.false_alarms)))
        return
    result = run(protocol, dataset, store, save=options.save, **how)
    print(f"{protocol.title}")
    for name, value in result.metrics.items():
        print(f"  {name:12} {'n/a' if value is None else f'{value:.4f}'}")
    print("\n".join(explain(result.row, options.false_alarms)))
