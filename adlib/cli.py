"""`adlib check | run | sweep | report | reproduce | predict`: thin, over `experiments`."""

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
    report.add_argument("results", type=Path, nargs="?", help="folder of results")
    report.add_argument("--paper", help="patchcore or anomalydino: ours beside every published number")
    report.add_argument("--results", dest="folders", type=Path, nargs="+", metavar="DIR", help="with --paper: folders")
    report.add_argument("--out", type=Path, metavar="FILE", help="with --paper: also write a .html, .md or .csv file")
    report.add_argument("--by", nargs="+", help="columns to group by (default: data set to shots)")
    report.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    report.set_defaults(command=_report)

    reproduce = commands.add_parser("reproduce", help="run every row of a paper's table, then print ours beside theirs")
    reproduce.add_argument("paper", help="patchcore or anomalydino")
    reproduce.add_argument("--data", required=True, help="MVTec AD, VisA or a folder laid out like them")
    reproduce.add_argument("--category", nargs="+", default=[], help="categories (default: all)")
    reproduce.add_argument("--backbone", nargs="+", default=[], help="networks (default: the paper's)")
    reproduce.add_argument("--weights", help="file of the backbone's weights (default: sought, then downloaded)")
    reproduce.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    reproduce.add_argument("--shots", nargs="+", default=[], help="numbers, or full (default: the paper's)")
    reproduce.add_argument("--seeds", type=int, nargs="+", default=[], help="draws (default: the paper's)")
    reproduce.add_argument("--resolution", type=int, nargs="+", default=[], help="AnomalyDINO: pixels (448 672)")
    reproduce.add_argument(
        "--preprocess", nargs="+", default=[], help="AnomalyDINO: agnostic, informed, none (agnostic)"
    )
    reproduce.add_argument("--coreset", type=float, nargs="+", default=[], help="PatchCore: shares (0.25 0.1 0.01)")
    reproduce.add_argument("--results", type=Path, help="folder of results (default: runs/reproduce/PAPER)")
    reproduce.add_argument("--out", type=Path, metavar="FILE", help="also write the table as .html, .md or .csv")
    reproduce.add_argument("--plan", action="store_true", help="say what would be run, and stop")
    reproduce.set_defaults(command=_reproduce)

    predict = commands.add_parser("predict", help="score images with a saved detector")
    predict.add_argument("model", type=Path, help="file that `adlib run --save` wrote")
    predict.add_argument("images", nargs="+", help="image files or folders")
    predict.add_argument("--weights", help="file of the backbone's weights")
    predict.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    predict.add_argument(
        "--out", type=Path, default=Path("runs/predict"), help="folder for scores.csv, maps and overlays"
    )
    predict.add_argument(
        "--tile", type=int, metavar="PIXELS", help="tile pictures larger than this (default: as at fit; 0: never)"
    )
    predict.add_argument("--false-alarms", type=float, metavar="RATE", help="share of good images (default: as at fit)")
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
    parser.add_argument(
        "--false-alarms", type=float, default=0.05, metavar="RATE", help="share of good images a threshold may exceed"
    )


def _check(options: argparse.Namespace) -> int:
    from adlib.data.check import check_folder

    report = check_folder(options.folder, layout=options.layout, show_progress=True)
    print("\n".join(report.lines))
    return 0 if report.ok else 1


def _run(options: argparse.Namespace) -> None:
    from adlib.data import load_dataset
    from adlib.experiments.calibrate import check_rate, explain
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
    check_rate(options.false_alarms)
    store = ResultStore(options.results)
    if options.save or protocol not in store:
        _announce([(protocol, dataset)], machine, options.results)
    result = run(
        protocol,
        dataset,
        store,
        machine=machine,
        cache=TensorCache(),
        show_progress=True,
        save=options.save,
        false_alarms=options.false_alarms,
    )
    print(f"{protocol.title}")
    for name, value in result.metrics.items():
        print(f"  {name:12} {'n/a' if value is None else f'{value:.4f}'}")
    print("\n".join(explain(result.row, options.false_alarms)))


def _announce(runs: Sequence[tuple[Any, Any]], machine: Any, folder: Path, at_a_time: int = 1) -> None:
    """Say what runs will cost, and show what their masks leave out."""
    from adlib.experiments.forecast import forecast, mask_picture
    from adlib.files import atomic_write
    from adlib.plots import figure_to_png

    cost = forecast(runs, machine, at_a_time)
    if cost is not None:
        print(cost.line, file=sys.stderr)
    for protocol, dataset in {(p.method, p.category): (p, dataset) for p, dataset in runs}.values():
        figure = mask_picture(protocol, dataset, machine)
        if figure is not None:
            target = folder / f"mask_{protocol.dataset}_{protocol.category}.png"
            with atomic_write(target, "wb") as file:
                file.write(figure_to_png(figure))
            print(f"Look at the object mask, and take --preprocess none where it is wrong: {target}", file=sys.stderr)


def _sweep(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from adlib.experiments.calibrate import at_rate, check_rate, explain
    from adlib.experiments.report import rate_of_page, table, write_report
    from adlib.experiments.store import as_frame
    from adlib.experiments.sweep import Sweep, jobs, run_sweep

    if min(options.shots) < 1:
        raise InputError(
            f"The shots of a sweep are at least 1, not {min(options.shots)}; `adlib run --shots 0` is zero-shot."
        )
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
    check_rate(options.false_alarms)
    waiting = [(p, job.dataset) for job in jobs(sweep) for p in job.protocols if p not in sweep.store]
    _announce(waiting, sweep.machine, sweep.out, sweep.workers)
    done, news = run_sweep(sweep)
    stored = [sweep.store.get(protocol) for job in done for protocol in job.protocols]
    results = [replace(r, row=at_rate(r.row, r.scores, options.false_alarms)) for r in stored]
    frame = as_frame(results)
    print(table(frame).to_string(index=False))
    most = {(r.protocol.method, r.protocol.category): r for r in reversed(results)}  # jobs come with most shots first
    for (method, category), result in sorted(most.items()):
        print(f"\n{method}, {category}, {result.protocol.shots} shots, seed {result.protocol.seed}")
        print("\n".join(explain(result.row, options.false_alarms)))
    page = sweep.out / "report.html"
    if news or rate_of_page(page) != options.false_alarms:
        datasets = {job.dataset.categories[0]: job.dataset for job in done}
        write_report(
            results, sweep.store, page, datasets, sweep.machine, options.figures, false_alarms=options.false_alarms
        )
    print(f"\nReport: {page}\nNotebooks: {sweep.out / 'notebooks'}")
    if options.figures:
        print(f"Figures: {options.figures}")


def _report(options: argparse.Namespace) -> None:
    from adlib.experiments.report import GROUP, table
    from adlib.experiments.store import ResultStore, as_frame

    if options.paper:
        from adlib.experiments.papers_page import print_page

        print_page(options.paper, options.folders or [options.results or Path("results")], options.out)
        return
    if options.folders or options.out:
        raise InputError("--results and --out belong to --paper; give a folder of results alone, or --paper as well.")
    if options.results is None or not options.results.is_dir():
        place = options.results or "named"
        raise InputError(f"There is no folder {place}; give a folder of results, such as runs/elpv/results.")
    text = table(as_frame(ResultStore(options.results).results()), tuple(options.by or GROUP))
    print(text.to_markdown(index=False) if options.markdown else text.to_string(index=False))


def _reproduce(options: argparse.Namespace) -> None:
    from adlib.experiments.papers_page import print_page
    from adlib.experiments.reproduce import Reproduction, check_data, reproduce
    from adlib.experiments.run import Machine

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
    if not options.plan:
        reproduce(job, dataset)
        print_page(job.paper, [job.results], options.out)


def _predict(options: argparse.Namespace) -> int:
    from adlib.experiments.predict import predict_files

    counts = predict_files(
        options.model,
        options.images,
        options.out,
        options.weights,
        options.device,
        tile=options.tile,
        false_alarms=options.false_alarms,
    )
    before = f", {counts.skipped} were done before" if counts.skipped else ""
    verdict = "" if counts.defective is None else f"; {counts.defective} in the table are called defective"
    print(f"{counts.scored} images scored{before}{verdict}.")
    print("\n".join((*counts.notes, f"Table, maps and overlays: {options.out}")))
    if counts.problems:
        print(f"adlib: {counts.problems} images could not be scored; scores.csv says why.", file=sys.stderr)
    return 1 if counts.problems else 0


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
