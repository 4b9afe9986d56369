"""What a model's good images look like, and whether a new image looks different from all of them.

The promise of a threshold holds for images taken under the same conditions. Size, colour, bit depth and brightness are
what changes with a camera, and can be measured without the detector (chapter 25).
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import t as student

from adlib.data.images import Window, probe_image, read_image

SIZE_RATIO = 1.25  # a side that is longer or shorter by this factor shows the parts at another scale
OUTSIDE = 1e-4  # fraction of images like the good ones whose brightness may be called too dark or too bright
LEAST_STEP = 15.0  # grey levels: in a laboratory the brightness of good images hardly varies
COLOURED = 1.0  # grey levels between the channels, on average, from which an image has colour


@dataclass(frozen=True)
class Look:
    """Of one image.

    size: (height, width) in pixels.
    kind: "8-bit grey", "8-bit colour", "16-bit grey" or "32-bit grey".
    brightness: mean grey level, 0 to 255, after the window.
    """

    size: tuple[int, int]
    kind: str
    brightness: float


def look_of(path: str | os.PathLike, image: Image.Image | None = None, window: Window | None = None) -> Look:
    """The look of an image file.

    path: the file.
    image: what `read_image` returned for it, to save reading it again.
    window: see `read_image`; not used where the image is given.
    Raises InputError as `read_image` does.
    """
    image = image or read_image(path, window)
    pixels = np.asarray(image)
    mode = probe_image(path).mode
    bits = 32 if mode == "F" else 16 if mode.startswith("I") else 8
    coloured = np.ptp(pixels, axis=2).mean() > COLOURED
    return Look(pixels.shape[:2], f"{bits}-bit {'colour' if coloured else 'grey'}", float(pixels.mean()))


def range_of(looks: Sequence[Look]) -> dict[str, Any]:
    """What some looks have in common, as plain values.

    looks: at least one.
    Returns "count", "sizes" (smallest and largest height and width), "kinds" and "brightness" (mean, population std).
    """
    sizes, brightness = [look.size for look in looks], [look.brightness for look in looks]
    return {
        "count": len(looks),
        "sizes": [[int(ends(column)) for column in zip(*sizes, strict=True)] for ends in (min, max)],
        "kinds": sorted({look.kind for look in looks}),
        "brightness": [round(float(np.mean(brightness)), 2), round(float(np.std(brightness)), 2)],
    }


def differences(look: Look, good: Mapping[str, Any], in_tiles: bool = False) -> list[str]:
    """In which ways an image lies far outside the good ones, each in a few words; [] where it does not.

    look: of the image.
    good: what `range_of` returned.
    in_tiles: the image is scored in tiles of the good images' size, so that it may be larger.
    """
    (smallest, largest), (mean, std) = good["sizes"], good["brightness"]
    step = max(_prediction_step(std, good["count"]), LEAST_STEP)
    found = {
        "smaller": any(side * SIZE_RATIO < least for side, least in zip(look.size, smallest, strict=True)),
        "larger": not in_tiles and any(side > most * SIZE_RATIO for side, most in zip(look.size, largest, strict=True)),
        look.kind: look.kind not in good["kinds"],
        "darker": look.brightness < mean - step,
        "brighter": look.brightness > mean + step,
    }
    return [words for words, differs in found.items() if differs]


def described(good: Mapping[str, Any]) -> str:
    """The good images in words, such as "192 x 192 pixels, 8-bit grey, mean brightness 110 ± 2"."""
    sizes = dict.fromkeys(f"{width} x {height}" for height, width in good["sizes"])
    mean, std = good["brightness"]
    return f"{' to '.join(sizes)} pixels, {' or '.join(good['kinds'])}, mean brightness {mean:.0f} ± {std:.0f}"


def _prediction_step(std: float, count: int) -> float:
    """Half the prediction interval for one more image; it is wide where a few images hardly show the spread."""
    if count < 2:
        return math.inf
    return float(student.ppf(1 - OUTSIDE / 2, count - 1)) * std * math.sqrt((count + 1) / (count - 1))
