"""Labelled defects for detectors that learn from them (chapter 09): their features, and masks where there are any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adlib.data.images import content_key
from adlib.data.masks import read_mask
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures


@dataclass(frozen=True)
class LabelledFeatures(ImageFeatures):
    """Features of a labelled defect.

    mask: (H, W) bool in original pixels, of the part of the image that the network saw, True on the defect; None where
        only the image is labelled. It is not resized: a thin crack would vanish.
    """

    mask: Tensor | None = None


def labelled(features: ImageFeatures, mask: Any) -> LabelledFeatures:
    """Features with a mask: a path, an array (H, W), or None.

    Raises InputError where the mask has another size than the image.
    """
    seen = None
    if mask is not None:
        top, left, bottom, right = features.frame.seen_box
        seen = torch.from_numpy(_mask(mask, features)[top:bottom, left:right].copy())
    return LabelledFeatures(features.maps, features.frame, features.key, features.name, seen)


def paired(defects: Sequence[Any], masks: Sequence[Any]) -> list[Any]:
    """One mask or None for each defect. Raises InputError where there are masks of some other number."""
    if len(masks) not in (0, len(defects)):
        count = f"{len(masks)} masks and {len(defects)} labelled defects"
        raise InputError(f"There are {count}; give a mask or None for each defect.")
    return list(masks) or [None] * len(defects)


def labels_key(defects: Sequence[Any], masks: Sequence[Any]) -> str:
    """What identifies labelled defects by their content; "" where there are none."""
    pairs = zip(defects, paired(defects, masks), strict=True)
    return "".join(f" {content_key(image)} {'-' if mask is None else content_key(mask)}" for image, mask in pairs)


def _mask(mask: Any, features: ImageFeatures) -> np.ndarray:
    height, width = features.frame.original
    if not isinstance(mask, np.ndarray):
        return read_mask(mask, (width, height))
    if mask.shape != (height, width):
        raise InputError(f"The mask of {features.name} has the shape {mask.shape}, its image ({height}, {width}).")
    return mask != 0
