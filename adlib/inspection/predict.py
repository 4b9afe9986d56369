"""A saved detector on any number of images of any size: a table row, a map and an overlay for each (chapter 23).

One image is in memory at a time. A row is written once its map and overlay are on disk, so a killed call resumes where
it stopped: an image that has a row, and the same content, is not scored again.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from adlib import plots
from adlib.data.images import content_key, printable, read_image
from adlib.data.layouts.listing import images_below
from adlib.detectors.base import Detector
from adlib.detectors.registry import load_detector
from adlib.detectors.tiled import Scored, score_image
from adlib.errors import InputError
from adlib.evaluation import conformal_threshold, smallest_false_alarm_rate
from adlib.evaluation.thresholds import GUARANTEES, SPLIT
from adlib.experiments.calibrate import acceptable_rate, check_rate
from adlib.features.tiles import SMALLEST_TILE
from adlib.files import atomic_write, sha256_of
from adlib.inspection.folder import claim, kept_rows
from adlib.inspection.overlays import colour_scale, paint
from adlib.progress import progress

_STOPPED = "Cannot write {path}: {reason}; free some space and start again, finished images are kept."
COLUMNS = ("image", "score", "decision", "problem", "tiles", "sha256", "map")


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


def image_files(places: Sequence[str | Path]) -> list[Path]:
    """The image files at some places, without repetitions.

    places: files, and folders, which stand for all images below them, sorted.

    Raises InputError where a place is missing, and where there is no image.
    """
    files: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            files += images_below(place)
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"There is no file or folder {printable(place)}; check the path.")
    if not files:
        raise InputError(f"There is no image in {', '.join(map(printable, places))}; give files or folders of images.")
    return list(dict.fromkeys(files))


def predict_files(
    model: str | Path,
    places: Sequence[str | Path],
    out: Path,
    weights: str | None = None,
    device: str | None = None,
    tile: int | None = None,
    false_alarms: float | None = None,
) -> Counts:
    """Score images into out/scores.csv, out/maps/*.tiff (float32, original pixels) and out/overlays/*.png.

    An image that cannot be read gets a row with the reason, and the call continues.

    model: file that `Detector.save` wrote.
    places: image files and folders.
    out: folder for the results.
    weights: file of the backbone's weights; None to find or download them.
    device: "cpu" or "cuda"; None for whatever is available.
    tile: images larger than this many pixels in either direction are scored in overlapping tiles; None for the size of
        the images that the model was calibrated on, 0 for no tiles.
    false_alarms: largest fraction of good images above the threshold, between 0 and 1; None for the rate of the fit.

    Raises InputError on a bad model or argument, and where `out` holds the scores of another model.
    """
    if false_alarms is not None:
        check_rate(false_alarms)
    if tile is not None and tile != 0 and tile < SMALLEST_TILE:
        raise InputError(f"A tile must have at least {SMALLEST_TILE} pixels a side, or be 0 for no tiles, not {tile}.")
    detector = load_detector(str(model), weights, device)
    files = image_files(places)
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
    claim(out / "predict.json", settings)
    if rule.limits:
        with atomic_write(out / "scale.png", "wb") as file:
            file.write(plots.figure_to_png(colour_scale(rule.limits, rule.contour)))
    named = {printable(path): path for path in files}
    done = {row["image"] for row in kept_rows(out / "scores.csv", COLUMNS, lambda row: _is_done(row, out, named))}
    # The window maps raw values to 8 bits when a file is read; the detector then gets images that are already read.
    window, detector.window = detector.window, None
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
            except InputError as error:
                row["problem"] = " ".join(str(error).split())
                problems += 1
            else:
                row |= _write(result, image, rule, out, path, row["sha256"])
                scored += 1
            write_row(row)
    skipped = len(files) - scored - problems
    defective = None if rule.threshold is None else _count_defective(out / "scores.csv")
    return Counts(scored, skipped, problems, defective, rule.notes + _tile_note(tiles, calibration, rule))


def _write(result: Scored, image: Image.Image, rule: Rule, out: Path, path: Path, key: str) -> dict[str, Any]:
    """Write map and overlay of one image; returns the entries of its row."""
    # Two images of one name from two folders, or that differ in case only, get two files; a name may fill 255 bytes.
    name = f"{printable(path.stem).replace(chr(92), '_')[:60]}-{key[:10]}"
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
    promise = GUARANTEES[calibration.get("method", SPLIT)].format(
        rate=f"{100 * rate:g}%", twice=f"{min(100, 200 * rate):g}%"
    )
    return Rule(conformal_threshold(scores, rate), contour, limits, (promise,))


def _tile_size(detector: Detector, calibration: dict[str, Any], tile: int | None) -> tuple[int, int] | None:
    if tile:
        return tile, tile
    # Where the background is masked, the whole object must be visible.
    if tile == 0 or getattr(detector, "masked_", False) or "picture_size" not in calibration:
        return None
    height, width = calibration["picture_size"]
    return height, width


def _tile_note(tiles: tuple[int, int] | None, calibration: Mapping[str, Any], rule: Rule) -> tuple[str, ...]:
    if tiles is None or rule.threshold is None:
        return ()
    if list(tiles) != calibration.get("picture_size"):
        return (
            f"Tiles of {tiles[1]} x {tiles[0]} pixels differ in scale from the good images that set the threshold: the "
            "promise does not hold for tiled images.",
        )
    return (
        f"Images larger than {tiles[1]} x {tiles[0]} pixels are scored in tiles; the rate then holds for each tile, "
        "and an image of many tiles raises more false alarms.",
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
            line = io.StringIO()
            csv.DictWriter(line, COLUMNS, lineterminator="\n").writerow(row)
            content = line.getvalue().encode()
            try:
                written = file.write(content)
            except OSError as error:
                raise InputError(_STOPPED.format(path=path, reason=error.strerror)) from error
            if written != len(content):
                raise InputError(_STOPPED.format(path=path, reason="the disk is full"))

        yield write_row


def _count_defective(path: Path) -> int:
    with open(path, encoding="utf-8", newline="") as file:
        return sum(row["decision"] == "defective" for row in csv.DictReader(file))
