"""`adlib check | run | sweep | report | predict`: thin, over `experiments`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adlib import __version__
from adlib.errors import InputError


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adlib", description="Industrial image anomaly detection.")
    parser.add_argument("--version", action="version", version=f"adlib {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="say what a folder of images holds and what can be done with it")
    check.add_argument("folder", help="data set, or folder of images")
    check.add_argument("--layout", default="auto", help="mvtec, visa, mtd, folder or auto (default)")
    check.set_defaults(command=_check)

    run = commands.add_parser("run", help="fit one detector, score the test images, store the result")
    _data_arguments(run)
    run.add_argument("--category", help="which category; needed where there are several")
    run.add_argument("--method", default="patchcore")
    run.add_argument("--shots", type=int, help="number of good images to learn from (default: all)")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--split-seed", type=int, default=0, help="seed of the split, where the data set has none")
    run.add_argument("--map-frame", default="original", help="where maps meet masks: original (default) or network")
    run.add_argument("--official", action="store_true", help="PatchCore with the switches of its official code")
    run.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of the method")
    run.add_argument("--results", type=Path, default=Path("runs/results"), help="folder of results")
    run.add_argument("--save", type=Path, metavar="FILE", help="also save the fitted detector")
    run.set_defaults(command=_run)

    sweep = commands.add_parser("sweep", help="run shot counts x seeds x methods by papermill, then report")
    _data_arguments(sweep)
    sweep.add_argument("--category", nargs="+", default=[], help="categories (default: all)")
    sweep.add_argument("--method", nargs="+", default=["patchcore", "anomalydino"])
    sweep.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    sweep.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    sweep.add_argument("--workers", type=int, default=2, help="notebooks at a time (default: 2)")
    sweep.add_argument("--out", type=Path, help="folder of results, notebooks and report (default: runs/NAME)")
    sweep.add_argument("--figures", type=Path, metavar="DIR", help="also write curve and overlays as PNG files there")
    sweep.set_defaults(command=_sweep)

    report = commands.add_parser("report", help="print the table of a folder of results")
    report.add_argument("results", type=Path, help="folder of results")
    report.add_argument("--by", nargs="+", help="columns to group by (default: data set to shots)")
    report.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    report.set_defaults(command=_report)

    predict = commands.add_parser("predict", help="score images with a saved detector")
    predict.add_argument("model", type=Path, help="file that `adlib run --save` wrote")
    predict.add_argument("images", nargs="+", help="image files or folders")
    predict.add_argument("--weights", help="file of the backbone's weights")
    predict.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    predict.add_argument("--out", type=Path, default=Path("runs/predict"), help="folder for scores.csv and overlays")
    predict.set_defaults(command=_predict)
    return parser


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="elpv, toy, or a folder")
    parser.add_argument("--layout", default="auto", help="mvtec, visa, mtd, folder or auto (default)")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--resolution", type=int, help="shorter side in pixels (default: the method's)")
    parser.add_argument("--preprocess", default="agnostic", help="AnomalyDINO: agnostic (default), informed or none")
    parser.add_argument("--selection", default="slice", help="how shots are drawn: slice (default) or random")


def _check(options: argparse.Namespace) -> int:
    from adlib.data.check import check_folder

    report = check_folder(options.folder, layout=options.layout, show_progress=True)
    print("\n".join(report.lines))
    return 0 if report.ok else 1


def _run(options: argparse.Namespace) -> None:
    from adlib.data import load_dataset
    from adlib.experiments.methods import method_options
    from adlib.experiments.run import Machine, plan, run
    from adlib.experiments.store import ResultStore
    from adlib.features.cache import TensorCache

    dataset = load_dataset(options.data, options.category, options.layout, options.split_seed)
    machine = Machine(options.weights, options.device)
    chosen = method_options(
        options.method,
        dataset.name,
        options.category or dataset.categories[0],
        options.backbone,
        resolution=options.resolution,
        preprocess=options.preprocess,
        shots=options.shots,
        official=options.official,
    )
    protocol = plan(
        dataset,
        options.method,
        backbone=options.backbone,
        shots=options.shots,
        selection=options.selection,
        seed=options.seed,
        split_seed=options.split_seed,
        map_frame=options.map_frame,
        options=chosen | _settings(options.set),
        machine=machine,
    )
    store = ResultStore(options.results)
    result = run(protocol, dataset, store, machine=machine, cache=TensorCache(), show_progress=True, save=options.save)
    print(f"{protocol.title}")
    for name, value in result.metrics.items():
        print(f"  {name:12} {'n/a' if value is None else f'{value:.4f}'}")


def _sweep(options: argparse.Namespace) -> None:
    from adlib.experiments.report import table, write_report
    from adlib.experiments.store import as_frame
    from adlib.experiments.sweep import Sweep, run_sweep

    name = options.data if options.data in ("elpv", "toy") else Path(options.data).resolve().name
    sweep = Sweep(
        data=options.data,
        out=options.out or Path("runs") / name,
        categories=tuple(options.category),
        methods=tuple(options.method),
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        selection=options.selection,
        layout=options.layout,
        backbone=options.backbone,
        weights=options.weights,
        device=options.device,
        resolution=options.resolution,
        preprocess=options.preprocess,
        workers=options.workers,
    )
    jobs, news = run_sweep(sweep)
    results = [sweep.store.get(protocol) for job in jobs for protocol in job.protocols]
    frame = as_frame(results)
    print(table(frame).to_string(index=False))
    page = sweep.out / "report.html"
    if news or not page.exists():
        datasets = {job.dataset.categories[0]: job.dataset for job in jobs}
        write_report(results, sweep.store, page, datasets, sweep.machine, options.figures)
    print(f"\nReport: {page}\nNotebooks: {sweep.out / 'notebooks'}")
    if options.figures:
        print(f"Figures: {options.figures}")


def _report(options: argparse.Namespace) -> None:
    from adlib.experiments.report import GROUP, table
    from adlib.experiments.store import ResultStore, as_frame

    if not options.results.is_dir():
        raise InputError(f"There is no folder {options.results}; give a folder of results, such as runs/elpv/results.")
    text = table(as_frame(ResultStore(options.results).results()), tuple(options.by or GROUP))
    print(text.to_markdown(index=False) if options.markdown else text.to_string(index=False))


def _predict(options: argparse.Namespace) -> None:
    from adlib.experiments.predict import predict_files

    count = predict_files(options.model, options.images, options.out, options.weights, options.device)
    print(f"{count} images scored: {options.out / 'scores.csv'} and an overlay each beside it.")


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE pairs as a dictionary; values are JSON where they parse as such, else text."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes NAME=VALUE pairs, not {pair!r}.")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


if __name__ == "__main__":
    sys.exit(main())
