"""Images of more than 8 bits: the range of their values, and the window that maps it to 8 bits (chapters 00 and 23).

The window is a parameter of every detector, so it is in the protocol and the same for training and test images.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from adlib.data.dataset import Sample
from adlib.data.images import decode_image
from adlib.data.names import printable
from adlib.errors import InputError

# A window spans the values of the good training images except for this fraction of each image's pixels at either end,
# so that a hot pixel or a lead letter does not set the scale.
CUT_FRACTION = 0.001
# Without a window the whole range of a type becomes 0 to 255; where images use less than this fraction of it, that
# costs more than two of the eight bits.
NARROW = 0.25
_SCALES = {"16-bit": 65535.0, "float": 1.0}


@dataclass(frozen=True)
class Span:
    """The range of an image's values.

    kind: "16-bit" or "float".
    low, high: the smallest and the largest value.
    inner_low, inner_high: the same without a fraction `CUT_FRACTION` of the pixels at either end.
    """

    kind: str
    low: float
    high: float
    inner_low: float
    inner_high: float

    @property
    def needs_window(self) -> bool:
        """Whether the image cannot be read without a window."""
        return self.low < 0 or self.high > _SCALES[self.kind]


@dataclass(frozen=True)
class Advice:
    """What to do about images of more than 8 bits.

    lines: lines for a report.
    words: command-line arguments that set the window, empty where no window is recommended.
    needed: whether images cannot be read without the window.
    unreadable: images that no window can make readable, and why.
    window: the window, None where none is recommended.
    """

    lines: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    needed: bool = False
    unreadable: Mapping[Sample, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None


def span_of(path: str | os.PathLike, mode: str) -> Span | None:
    """The range of an image file's values; None where it has 8 bits or fewer.

    path: the image file.
    mode: its PIL mode.
    Raises InputError where the file cannot be read and where it holds NaN or infinity.
    """
    if mode != "F" and not mode.startswith("I"):
        return None
    values = np.asarray(decode_image(path))
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"{printable(path)} holds NaN or infinite values; replace them first.")
    inner = np.percentile(values, [100 * CUT_FRACTION, 100 * (1 - CUT_FRACTION)])
    return Span("float" if mode == "F" else "16-bit", low, high, float(inner[0]), float(inner[1]))


def advise(spans: Mapping[Sample, Span], count: int) -> Advice:
    """The window of the good training images, where one is needed or would keep more grey levels.

    One window serves all images of a run, so a mixture of depths gets none, and images that need a window are
    unreadable there.

    spans: the spans of the images of more than 8 bits.
    count: number of readable images of any depth.
    """
    kinds = sorted({span.kind for span in spans.values()})
    training = [span for sample, span in spans.items() if sample.split == "train" and sample.label == 0]
    needed = {sample: span for sample, span in spans.items() if span.needs_window}
    if not spans:
        return Advice()
    if len(spans) < count or len(kinds) > 1:
        depths = [*(["8-bit"] if len(spans) < count else []), *kinds]
        mixed = f"{' and '.join(depths)} images are mixed, and one window cannot serve them all; convert them to one"
        reason = "its values run from {:g} to {:g} and need a window, but " + mixed + "."
        return Advice((f"  {mixed}",), unreadable={s: reason.format(v.low, v.high) for s, v in needed.items()})
    low = min((span.inner_low for span in training), default=0.0)
    high = max((span.inner_high for span in training), default=0.0)
    if not needed and not 0 < high - low < NARROW * _SCALES[kinds[0]]:
        return Advice()
    if low == high:
        flat = "the good training images have a single grey value, so no window can be chosen."
        return Advice(unreadable=dict.fromkeys(needed, flat))
    if kinds == ["float"]:
        low, high, values = _round(low), _round(high), "float"
    else:
        low, high, values = math.floor(low), math.ceil(high), "32-bit" if needed else "16-bit"
    window = f"window=[{low},{high}]"
    without = "they cannot be read" if needed else "most of their grey levels would be lost"
    lines = (
        f"  {values} values: {100 - 200 * CUT_FRACTION:g}% of the pixels of each good training image are within"
        f" {low} to {high}; without a window {without}",
        f"  --set {window} keeps that range, in the protocol, for training and test images alike",
    )
    return Advice(lines, ("--set", window), bool(needed), window=(low, high))


def _round(value: float) -> float:
    return float(f"{value:.4g}")
