"""A saved detector on any number of files: one CSV of scores, an overlay each, in constant memory."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from adlib import plots
from adlib.data.images import read_image
from adlib.data.layouts.listing import images_below
from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.files import atomic_write
from adlib.progress import progress


def image_files(places: Sequence[str | Path]) -> list[Path]:
    """Files as they are, folders as all images below them, sorted. Raises InputError where a place is missing."""
    files: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            files += images_below(place)
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"There is no file or folder {place}; check the path.")
    if not files:
        raise InputError(f"There is no image in {', '.join(map(str, places))}.")
    return files


def predict_files(
    model: str | Path, places: Sequence[str | Path], out: Path, weights: str | None = None, device: str | None = None
) -> int:
    """Score images with a saved detector into `scores.csv` and `overlays/` under out; returns how many there were.

    Decisions and overlays take the threshold and the colour limits that `adlib run` found on held-out good images;
    without these there are scores alone. A file that cannot be read gets a line with its reason, and the rest goes on.
    """
    detector = load_detector(str(model), weights, device)
    files = image_files(places)
    calibration = getattr(detector, "calibration_", None)

    def lines() -> Iterator[tuple[str, str, str, str]]:
        for number, path in enumerate(progress(files, label="scoring", unit="img")):
            try:
                predictions = detector.predict([path])
            except InputError as error:
                yield str(path), "", "", str(error)
                continue
            score, decision = float(predictions.scores[0]), ""
            if calibration:
                decision = "defective" if score > calibration["threshold"] else "good"
                figure = plots.gallery(
                    [read_image(path)],
                    [predictions.anomaly_map(0)],
                    titles=[path.name],
                    limits=calibration["limits"],
                    threshold=calibration["threshold"],
                )
                with atomic_write(out / "overlays" / f"{number:04d}_{path.stem}.png", "wb") as file:
                    file.write(plots.figure_to_png(figure))
            yield str(path), f"{score:.8g}", decision, ""

    with atomic_write(out / "scores.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "score", "decision", "problem"))
        writer.writerows(lines())
    return len(files)
