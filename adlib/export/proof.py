"""Whether an exported model says what its detector says: scores, decisions and maps of the same images.

Exported scores that differ from the trained ones let bad parts pass, so a file is written only after this comparison.
Scores of the user's images may differ by a small fraction of the good scores' spread. Made-up images, white or noise,
may lie hundreds of spreads from the good ones; there float32 itself resolves no such fraction, and a difference is
compared with that distance instead.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adlib.data.images import image_name, read_image
from adlib.detectors.base import Detector, Predictions
from adlib.errors import InputError
from adlib.evaluation.thresholds import decide
from adlib.export.describe import thresholds
from adlib.export.model import OnnxModel


@dataclass(frozen=True)
class Accepted:
    """Largest differences with which a file is written.

    scores: as a fraction of the good scores' spread (made-up images: see above).
    maps: of patch scores, as a fraction of the image's highest.
    """

    scores: float
    maps: float


COMPUTED = Accepted(1e-4, 1e-3)
RESIZED = Accepted(1e-2, 1e-2)  # where the graph resamples the image, a pixel may differ in its last bit
FLAT = {"black": 0, "grey": 128, "white": 255}
_SCORES_DIFFER = "image scores differ by {:.2g} of the good scores' spread or distance"
STORED = 1e-7  # relative: good scores, and so the threshold, are stored with 8 digits


@dataclass(frozen=True)
class Proof:
    """What the comparison of an exported model with its detector found.

    images: number of images that the user gave.
    made_up: number of synthetic images: noise, one grey level, extreme shapes.
    score_difference: largest difference of two image scores, among the user's images where there are any.
    spread: standard deviation of the good scores, with which the difference is compared.
    decisions: number of images whose decisions were compared; 0 where there is no threshold.
    on_threshold: number of images whose score IS the threshold, to the digits in which it is stored: rounding decides
        them in the detector, too, so they are not compared.
    map_difference: largest difference of two patch scores, as a fraction of the highest in the image.
    accepted: the largest score_difference with which the file is written, as a fraction of the spread.
    openvino: largest difference of two image scores where OpenVINO computes the graph; None where it is not installed.
    openvino_decisions: number of decisions that OpenVINO changes.
    openvino_problem: why OpenVINO cannot run the file; empty where it can.
    """

    images: int
    made_up: int
    score_difference: float
    spread: float
    decisions: int
    on_threshold: int
    map_difference: float
    accepted: float = COMPUTED.scores
    openvino: float | None = None
    openvino_decisions: int = 0
    openvino_problem: str = ""

    def lines(self) -> list[str]:
        """Sentences for a terminal."""
        mine = f"{self.images} images of yours" if self.images else "no images of yours (give some with --images)"
        share = self.score_difference / self.spread
        lines = [
            f"Compared with the detector on {mine} and {self.made_up} made-up ones (noise, flat, extreme shapes).",
            f"Largest difference of scores: {self.score_difference:.3g}, {share:.2g} of the good scores' spread "
            f"({self.spread:.3g}; at most {self.accepted:g} is accepted); of maps: {self.map_difference:.2g} of an "
            "image's highest patch score.",
        ]
        if self.openvino is not None:
            share = self.openvino / self.spread
            lines.append(
                f"Computed by OpenVINO, scores differ by at most {self.openvino:.3g}, {share:.2g} of the spread, and "
                f"{self.openvino_decisions} decisions differ."
            )
        if self.openvino_problem:
            lines.append(self.openvino_problem)
        if not self.decisions:
            return [*lines, "No decisions were compared: the model has no threshold."]
        tie = f"; {self.on_threshold} on the threshold itself are not counted" if self.on_threshold else ""
        return [*lines, f"Decisions: all {self.decisions} are the same{tie}."]

    def plain(self) -> dict[str, Any]:
        """Plain values, for the JSON file."""
        return asdict(self)


def prove(
    detector: Detector,
    exported: OnnxModel,
    paths: Sequence[str | Path] = (),
    accepted: Accepted = COMPUTED,
    by_openvino: OnnxModel | None = None,
) -> Proof:
    """Compare an exported model with its detector.

    detector: fitted.
    exported: its export.
    paths: image files that the detector did not learn from, good and defective ones.
    accepted: the largest differences.
    by_openvino: the export computed by OpenVINO, whose differences are reported and refuse nothing; None for none.
    Raises InputError where scores, decisions or maps differ by more, and as `read_image` does.
    """
    synthetic = made_up(read_image(paths[0]) if paths else None)
    images, names = [*paths, *synthetic.values()], [*map(image_name, paths), *synthetic]
    ours, theirs = detector.predict(images), exported.predict(images)
    calibration = getattr(detector, "calibration_", {})
    good = calibration.get("good_scores") or ours.scores[: len(paths) or None]
    spread = float(np.std(good)) or 1.0
    scale = np.full(len(images), spread)
    scale[len(paths) :] = np.maximum(spread, np.abs(ours.scores[len(paths) :] - np.median(good)))
    apart = np.abs(ours.scores - theirs.scores)
    _refuse(apart / scale, accepted.scores, names, _SCORES_DIFFER)
    maps = np.array([_maps_apart(ours, theirs, index) for index in range(len(images))])
    _refuse(maps, accepted.maps, names, "patch scores differ by {:.2g} of the highest")
    threshold, shown = thresholds(calibration)[0], slice(0, len(paths) or None)
    compared = _compare_decisions(ours, theirs, threshold, names)
    proof = Proof(
        len(paths), len(synthetic), float(apart[shown].max()), spread, *compared, float(maps.max()), accepted.scores
    )
    if by_openvino is None:
        return proof
    try:
        scores = by_openvino.predict(images).scores
    except InputError as error:  # the file is for ONNX Runtime; OpenVINO refuses nothing
        return replace(proof, openvino_problem=str(error))
    changed = 0 if threshold is None else int(_changed(ours.scores, scores, threshold).sum())
    return replace(proof, openvino=float(np.abs(ours.scores - scores)[shown].max()), openvino_decisions=changed)


def made_up(like: Image.Image | None = None) -> dict[str, np.ndarray]:
    """Images that no camera takes and an export must survive: name -> (H, W, 3) uint8.

    Noise, one grey level, noise of extreme shapes; and where an image is given, that image pressed into these shapes.
    """
    random = np.random.default_rng(0)
    wide, tall = (64, 448), (448, 64)
    images = {f"the {name} image": np.full((256, 256, 3), level, np.uint8) for name, level in FLAT.items()}
    for name, size in (("noise", (256, 256)), ("wide noise", wide), ("tall noise", tall)):
        images[f"the {name} image"] = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    for name, size in (("wide", wide), ("tall", tall)) if like else ():
        images[f"the first image pressed {name}"] = np.asarray(like.resize(size[::-1]))
    return images


def _maps_apart(ours: Predictions, theirs: Predictions, index: int) -> float:
    """Largest difference of two patch maps, relative to the highest patch score; infinite for another shape."""
    mine, other = ours.grids[index], theirs.grids[index]
    if mine.shape != other.shape:
        return np.inf
    return float(np.abs(mine - other).max() / (np.abs(mine).max() or 1.0))


def _refuse(apart: np.ndarray, most: float, names: Sequence[str], what: str) -> None:
    """InputError where a difference is above `most`, or is NaN."""
    worst = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
    if not apart[worst] <= most:
        raise InputError(
            f"The export is refused and nothing is written: of {names[worst]}, {what.format(apart[worst])}, and "
            f"{most:g} is accepted."
        )


def _compare_decisions(
    ours: Predictions, theirs: Predictions, threshold: float | None, names: Sequence[str]
) -> tuple[int, int]:
    """Number of decisions compared, and of images on the threshold; InputError where a decision differs."""
    if threshold is None:
        return 0, 0
    clear, differs = _clear(ours.scores, threshold), _changed(ours.scores, theirs.scores, threshold)
    if differs.any():
        raise InputError(
            f"The export is refused and nothing is written: {names[int(differs.argmax())]} gets another decision, "
            f"since its score is within rounding of the threshold {threshold:.8g}."
        )
    return int(clear.sum()), int((~clear).sum())


def _clear(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Where a score is not the threshold itself, to the digits in which that is stored."""
    return np.abs(scores - threshold) > STORED * abs(threshold)


def _changed(ours: np.ndarray, theirs: np.ndarray, threshold: float) -> np.ndarray:
    """Where two scores of an image lead to different decisions, the threshold itself left out."""
    return _clear(ours, threshold) & (decide(ours, threshold) != decide(theirs, threshold))
