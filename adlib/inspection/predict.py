"""A saved detector on any number of pictures of any size: a table row by row, a map and an overlay each (chapter 23).

One picture is in memory at a time. A row is written when its map and overlay are on disk, so a call that was killed
goes on where it was: a picture whose row stands there, with the same content, is not scored again.
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
from adlib.detectors.tiled import Scored, score_picture
from adlib.errors import InputError
from adlib.evaluation import conformal_threshold, smallest_false_alarm_rate
from adlib.evaluation.thresholds import GUARANTEES, SPLIT
from adlib.experiments.calibrate import acceptable_rate, check_rate
from adlib.features.tiles import SMALLEST_TILE
from adlib.files import atomic_write, sha256_of
from adlib.inspection.folder import claim, kept_rows
from adlib.inspection.overlays import colour_scale, paint
from adlib.progress import progress

_STOPPED = "Cannot go on writing {path}: {reason}; free some space and start again, what is done stays."
COLUMNS = ("image", "score", "decision", "problem", "tiles", "sha256", "map")


@dataclass(frozen=True)
class Counts:
    """What a call did: pictures scored now, done before, unreadable, and how many of all scored are defective.

    defective is None where the model knows no threshold; notes: sentences for the user.
    """

    scored: int
    skipped: int
    problems: int
    defective: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """What the model's good images say: threshold of the image score, contour of the map, colour limits; or None."""

    threshold: float | None
    contour: float | None
    limits: tuple[float, float] | None
    notes: tuple[str, ...]


def image_files(places: Sequence[str | Path]) -> list[Path]:
    """Files as they are, folders as all images below them, sorted. Raises InputError where a place is missing."""
    files: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            files += images_below(place)
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"There is no file or folder {printable(place)}; check the path.")
    if not files:
        raise InputError(f"There is no image in {', '.join(map(printable, places))}.")
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
    """Score pictures into out/scores.csv, out/maps/*.tiff (float32, original pixels) and out/overlays/*.png.

    tile: pictures larger than this many pixels in either direction are scored in overlapping tiles; None takes the
    size of the pictures that the model was calibrated on, 0 never tiles. false_alarms: share of good images that the
    threshold may exceed, None for the rate of the fit. A picture that cannot be read gets a row with its reason and
    the rest goes on. Raises InputError on a bad model or argument, and where out holds the scores of another model.
    """
    if false_alarms is not None:
        check_rate(false_alarms)
    if tile is not None and tile != 0 and tile < SMALLEST_TILE:
        raise InputError(f"A tile has at least {SMALLEST_TILE} pixels a side, or 0 for no tiles, not {tile}.")
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
    # The window turns raw values into 8 bits when a file is read; the detector then gets pictures that are read.
    window, detector.window = detector.window, None
    scored, problems = 0, 0
    with _table(out / "scores.csv") as write_row:
        for path in progress(files, label="scoring", unit="img"):
            row = dict.fromkeys(COLUMNS, "") | {"image": printable(path)}
            if row["image"] in done:
                continue
            try:
                row["sha256"] = content_key(path)
                picture = read_image(path, window)
                result = score_picture(detector, picture, tiles)
            except InputError as error:
                row["problem"] = " ".join(str(error).split())
                problems += 1
            else:
                row |= _keep(result, picture, rule, out, path, row["sha256"])
                scored += 1
            write_row(row)
    skipped = len(files) - scored - problems
    defective = None if rule.threshold is None else _count_defective(out / "scores.csv")
    return Counts(scored, skipped, problems, defective, rule.notes + _tile_note(tiles, calibration, rule))


def _keep(result: Scored, picture: Image.Image, rule: Rule, out: Path, path: Path, key: str) -> dict[str, Any]:
    """Write map and overlay of one picture; what its row says of them."""
    # Two pictures of one name from two folders, or that differ in case only, get two files; a name may fill 255 bytes.
    name = f"{printable(path.stem).replace(chr(92), '_')[:60]}-{key[:10]}"
    with atomic_write(out / "maps" / f"{name}.tiff", "wb", durable=False) as file:
        Image.fromarray(result.anomaly_map).save(file, format="TIFF")
    if rule.limits:
        with atomic_write(out / "overlays" / f"{name}.png", "wb", durable=False) as file:
            paint(picture, result.anomaly_map, rule.limits, rule.contour).save(file, format="PNG")
    decision = ""
    if rule.threshold is not None:
        decision = "defective" if result.score > rule.threshold else "good"
    return {"score": f"{result.score:.8g}", "decision": decision, "tiles": result.tiles, "map": f"maps/{name}.tiff"}


def _rule(calibration: dict[str, Any], rate: float | None) -> Rule:
    limits = tuple(calibration["limits"]) if "limits" in calibration else None
    if limits is None:
        return Rule(None, None, None, ("No good images were kept back: scores and maps, but no decision, no overlay.",))
    if "good_scores" not in calibration:  # a model saved before the scores were kept
        if rate is not None:
            raise InputError("This model holds one threshold and no scores of good images; save it again for another.")
        return Rule(calibration["threshold"], None, limits, ())
    scores, maxima = calibration["good_scores"], calibration["map_maxima"]
    rate = rate or calibration["false_alarm_rate"]
    if smallest_false_alarm_rate(len(scores)) > rate:
        note = (
            f"No decisions: {len(scores)} good images cannot show false alarms on at most {100 * rate:g}% of the good; "
            f"collect more, or accept --false-alarms {acceptable_rate(len(scores)):g}."
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
    # Where the background is masked the object must be in sight whole.
    if tile == 0 or getattr(detector, "masked_", False) or "picture_size" not in calibration:
        return None
    height, width = calibration["picture_size"]
    return height, width


def _tile_note(tiles: tuple[int, int] | None, calibration: Mapping[str, Any], rule: Rule) -> tuple[str, ...]:
    if tiles is None or rule.threshold is None:
        return ()
    if list(tiles) != calibration.get("picture_size"):
        return (
            f"Tiles of {tiles[1]} x {tiles[0]} pixels show parts at another scale than the good images that set the "
            "threshold: the promise does not hold for tiled pictures.",
        )
    return (
        f"Pictures larger than {tiles[1]} x {tiles[0]} pixels are scored in tiles; the rate then holds for each tile, "
        "and a picture of many tiles raises more false alarms.",
    )


def _is_done(row: dict[str, str], out: Path, named: Mapping[str, Path]) -> bool:
    """Whether a row needs no second look: it has a score and a map, and its picture is the same as then."""
    if not row["score"] or not (out / row["map"]).is_file():
        return False
    try:
        return row["image"] not in named or content_key(named[row["image"]]) == row["sha256"]
    except InputError:
        return False


@contextmanager
def _table(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that appends one row in one write: a kill, or a full disk, costs the row in work at most."""
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
