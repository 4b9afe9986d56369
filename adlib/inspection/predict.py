"""A saved detector on any number of images of any size: a table row, a map and an overlay for each (chapter 23).

One image is in memory at a time. A row is written once its map and overlay are on disk, so a killed call resumes where
it stopped: an image that has a row, and the same content, is not scored again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from adlib import plots
from adlib.data.images import content_key, read_image
from adlib.data.layouts.listing import images_below
from adlib.data.layouts.reading import Reading
from adlib.data.layouts.stacks import spread
from adlib.data.names import printable
from adlib.data.unused import left_out, notes
from adlib.detectors.base import Detector
from adlib.detectors.tiled import Scored, score_image
from adlib.errors import InputError
from adlib.evaluation import conformal_threshold, smallest_false_alarm_rate
from adlib.evaluation.thresholds import SPLIT, promise
from adlib.experiments.calibrate import acceptable_rate, check_rate
from adlib.experiments.looks import described, differences, look_of
from adlib.export import OnnxModel, load_model
from adlib.features.tiles import SMALLEST_TILE
from adlib.files import atomic_write, sha256_of, short_name, sole_writer
from adlib.inspection.folder import claim, kept_rows
from adlib.inspection.overlays import colour_scale, paint
from adlib.outputs import PREDICTED, is_output, mark_output
from adlib.progress import progress
from adlib.spreadsheets import csv_line

_STOPPED = "Cannot write {path}: {reason}; free some space and start again, finished images are kept."
COLUMNS = ("image", "score", "decision", "problem", "tiles", "sha256", "map", "differs")


@dataclass(frozen=True)
class Counts:
    """What a call did.

    scored: number of images scored now.
    skipped: number of images that had been scored before.
    problems: number of images that could not be read.
    defective: number of defective images among all scored; None where the model has no threshold.
    notes: sentences for the user.
    """

    scored: int
    skipped: int
    problems: int
    defective: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """How scores are judged and shown, as set by the model's good images; None where it has too few of them.

    threshold: of the image score.
    contour: threshold of the map, where overlays have their outline.
    limits: ends of the colour scale.
    notes: sentences for the user.
    """

    threshold: float | None
    contour: float | None
    limits: tuple[float, float] | None
    notes: tuple[str, ...]


def image_files(places: Sequence[str | Path], pages: str = "ask") -> list[Path]:
    """The images at some places, without repetitions.

    places: files, and folders, which stand for all images below them, sorted, except for what adlib wrote.
    pages: what is read of files with several pages, as for `load_dataset`.

    Raises InputError where a place is missing or adlib's own output, where there is no image, and for several pages.
    """
    files: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            if is_output(place.absolute()):
                raise InputError(f"{printable(place)} was written by adlib; give the folder of the images themselves.")
            files += images_below(place)
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"There is no file or folder {printable(place)}; check the path.")
    if not files:
        raise InputError(f"There is no image in {', '.join(map(printable, places))}; give files or folders of images.")
    return [page for pages_of in spread(files, pages).values() for page in pages_of]


def predict_files(
    model: str | Path,
    places: Sequence[str | Path],
    out: Path,
    weights: str | None = None,
    device: str | None = None,
    tile: int | None = None,
    false_alarms: float | None = None,
    pages: str = "ask",
    group: str | None = None,
) -> Counts:
    """Score images into out/scores.csv, out/maps/*.tiff (float32, original pixels) and out/overlays/*.png.

    An image that cannot be read gets a row with the reason, and the call continues.

    model: file that `Detector.save` or `adlib export` wrote.
    places: image files and folders.
    out: folder for the results.
    weights: file of the backbone's weights; None to find or download them.
    device: "cpu" or "cuda"; None for whatever is available.
    tile: images larger than this many pixels in either direction are scored in overlapping tiles; None for the size of
        the images that the model was calibrated on, 0 for no tiles.
    false_alarms: largest fraction of good images above the threshold, between 0 and 1; None for the rate of the fit.
    pages: what is read of files with several pages, as for `load_dataset`.
    group: a regular expression that finds an image's group (part, film, camera) in its path; the notes then count the
        decisions of each group, since images of one group are alike and err together. None for no groups.

    Raises InputError on a bad model or argument, where `out` holds the scores of another model, and for several pages.
    """
    if false_alarms is not None:
        check_rate(false_alarms)
    if tile is not None and tile != 0 and tile < SMALLEST_TILE:
        raise InputError(f"A tile must have at least {SMALLEST_TILE} pixels a side, or be 0 for no tiles, not {tile}.")
    reading = Reading(group=group)
    detector = load_model(model, weights, device)
    files = image_files(places, pages)
    groups = {printable(path): reading.group_of(path) for path in files}
    unused = tuple(notes(left_out(map(Path, places), files), Path()))
    calibration = getattr(detector, "calibration_", {})
    rule = _rule(calibration, false_alarms)
    tiles = _tile_size(detector, calibration, tile)
    settings = {
        "model_sha256": sha256_of(model),
        "tile": list(tiles) if tiles else None,
        "threshold": rule.threshold,
        "contour": rule.contour,
        "limits": list(rule.limits) if rule.limits else None,
    }
    # Two calls at once would both find an image without a row, and both score it.
    with sole_writer(out / "scores.csv", "give another --out"):
        claim(out / "predict.json", settings)
        mark_output(out, *PREDICTED)
        if rule.limits:
            with atomic_write(out / "scale.png", "wb") as file:
                file.write(plots.figure_to_png(colour_scale(rule.limits, rule.contour)))
        scored, problems, rows = _score_missing(detector, files, out, rule, tiles)
    defective = None if rule.threshold is None else sum(row["decision"] == "defective" for row in rows)
    said = rule.notes + unused + _tile_note(rows, tiles, calibration, rule) + _difference_note(rows, calibration, rule)
    return Counts(scored, len(files) - scored - problems, problems, defective, said + _group_notes(rows, groups, rule))


def _group_notes(rows: Sequence[Mapping[str, Any]], groups: Mapping[str, str], rule: Rule) -> tuple[str, ...]:
    """How many images of each group are called defective, where there are groups and decisions."""
    if rule.threshold is None or not any(groups.values()):
        return ()
    judged = [(groups[row["image"]], row["decision"]) for row in rows if row["decision"] and row["image"] in groups]
    counts, defective = Counter(name for name, _ in judged), Counter(judged)
    found = (f"{printable(name)}: {defective[name, 'defective']} of {counts[name]}" for name in sorted(counts))
    return (f"Called defective, by group: {', '.join(found)}.",)


def _score_missing(
    detector: Detector | OnnxModel, files: Sequence[Path], out: Path, rule: Rule, tiles: tuple[int, int] | None
) -> tuple[int, int, list[dict[str, Any]]]:
    """Score the images that have no row yet; returns the numbers of images and of problems, and all rows."""
    named = {printable(path): path for path in files}
    rows: list[dict[str, Any]] = kept_rows(out / "scores.csv", COLUMNS, lambda row: _is_done(row, out, named))
    done = {row["image"] for row in rows}
    # The window maps raw values to 8 bits when a file is read; the detector then gets images that are already read.
    window, detector.window = detector.window, None
    good = getattr(detector, "calibration_", {}).get("good_images")  # models of before have none
    scored, problems = 0, 0
    with _table(out / "scores.csv") as write_row:
        for path in progress(files, label="scoring", unit="img"):
            row = dict.fromkeys(COLUMNS, "") | {"image": printable(path)}
            if row["image"] in done:
                continue
            try:
                row["sha256"] = content_key(path)
                image = read_image(path, window)
                result = score_image(detector, image, tiles)
                if good:
                    row["differs"] = ", ".join(differences(look_of(path, image), good, result.tiles > 1))
            except InputError as error:
                row["problem"] = " ".join(str(error).split())
                problems += 1
            else:
                row |= _write(result, image, rule, out, path, row["sha256"])
                scored += 1
            write_row(row)
            rows.append(row)
    return scored, problems, rows


def _write(result: Scored, image: Image.Image, rule: Rule, out: Path, path: Path, key: str) -> dict[str, Any]:
    """Write map and overlay of one image; returns the entries of its row."""
    # Two images of one name from two folders, or that differ in case only, get two files; a name may fill 255 bytes.
    name = f"{short_name(printable(path.stem).replace(chr(92), '_')[:60], 200)}-{key[:10]}"
    with atomic_write(out / "maps" / f"{name}.tiff", "wb", durable=False) as file:
        Image.fromarray(result.anomaly_map).save(file, format="TIFF")
    if rule.limits:
        with atomic_write(out / "overlays" / f"{name}.png", "wb", durable=False) as file:
            paint(image, result.anomaly_map, rule.limits, rule.contour).save(file, format="PNG")
    decision = ""
    if rule.threshold is not None:
        decision = "defective" if result.score > rule.threshold else "good"
    return {"score": f"{result.score:.8g}", "decision": decision, "tiles": result.tiles, "map": f"maps/{name}.tiff"}


def _rule(calibration: dict[str, Any], rate: float | None) -> Rule:
    limits = tuple(calibration["limits"]) if "limits" in calibration else None
    if limits is None:
        return Rule(None, None, None, ("The model has no held-out good images: no decisions and no overlays.",))
    if "good_scores" not in calibration:  # a model saved before the scores were kept
        if rate is not None:
            raise InputError("This model has one threshold and no good scores; save it again for another rate.")
        return Rule(calibration["threshold"], None, limits, ())
    scores, maxima = calibration["good_scores"], calibration["map_maxima"]
    rate = rate or calibration["false_alarm_rate"]
    if smallest_false_alarm_rate(len(scores)) > rate:
        note = (
            f"No decisions: {len(scores)} good images are too few for a false-alarm rate of {100 * rate:g}%; collect "
            f"more, or accept --false-alarms {acceptable_rate(len(scores)):g}."
        )
        return Rule(None, None, limits, (note,))
    contour = conformal_threshold(maxima, rate) if maxima else None
    said = promise(calibration.get("method", SPLIT), rate, calibration.get("group"), calibration.get("groups"))
    return Rule(conformal_threshold(scores, rate), contour, limits, (said,))


def _tile_size(detector: Detector | OnnxModel, calibration: dict[str, Any], tile: int | None) -> tuple[int, int] | None:
    if tile:
        return tile, tile
    # Where the background is masked, the whole object must be visible.
    if tile == 0 or getattr(detector, "masked_", False) or "picture_size" not in calibration:
        return None
    height, width = calibration["picture_size"]
    return height, width


def _tile_note(
    rows: Sequence[Mapping[str, Any]], tiles: tuple[int, int] | None, calibration: Mapping[str, Any], rule: Rule
) -> tuple[str, ...]:
    """The sentence about images in tiles, where there are any and the threshold promises something."""
    count = sum(int(row["tiles"] or 1) > 1 for row in rows)
    if tiles is None or rule.threshold is None or not count:
        return ()
    size = f"{tiles[1]} x {tiles[0]} pixels"
    if list(tiles) != calibration.get("picture_size"):
        return (
            f"Tiles of {size} differ in scale from the good images that set the threshold: the promise does not hold "
            "for tiled images.",
        )
    return (
        f"Scored in tiles of {size}: {count} of the {len(rows)} images in the table; where they show the parts at the "
        "good images' scale, the rate holds for each tile (an image of many tiles raises more false alarms), and at "
        "another scale the promise does not hold.",
    )


def _difference_note(rows: Sequence[Mapping[str, Any]], calibration: Mapping[str, Any], rule: Rule) -> tuple[str, ...]:
    """The sentence about images unlike the good ones, where there are any and the threshold promises something."""
    differing = [row["differs"] for row in rows if row["differs"]]
    if not differing or rule.threshold is None:
        return ()
    counts = Counter(words for cell in differing for words in cell.split(", "))
    how = ", ".join(f"{words}: {count}" for words, count in counts.items())
    return (
        f"The promise does not hold for {len(differing)} of the {len(rows)} images in the table ({how}): the model's "
        f"good images have {described(calibration['good_images'])}.",
    )


def _is_done(row: dict[str, str], out: Path, named: Mapping[str, Path]) -> bool:
    """Whether a row can stay: it has a score and a map, and its image has not changed."""
    if not row["score"] or not (out / row["map"]).is_file():
        return False
    try:
        return row["image"] not in named or content_key(named[row["image"]]) == row["sha256"]
    except InputError:
        return False


@contextmanager
def _table(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that appends one row in one write: a kill, or a full disk, costs at most the current row."""
    with open(path, "ab", buffering=0) as file:

        def write_row(row: Mapping[str, Any]) -> None:
            content = csv_line(row[name] for name in COLUMNS).encode()
            try:
                written = file.write(content)
            except OSError as error:
                raise InputError(_STOPPED.format(path=path, reason=error.strerror)) from error
            if written != len(content):
                raise InputError(_STOPPED.format(path=path, reason="the disk is full"))

        yield write_row
