"""Four ways to judge a map against a mask, as detection, segmentation and saliency papers do (chapter 09).

Masks (H, W) are bool; boxes (n, 4) are top, left, bottom, right in pixels, bottom and right outside the box.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

BETA2 = 0.3  # weight of recall in the F measure of saliency papers (Achanta et al. 2009)


def dice(predicted: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> float:
    """2 |A and B| / (|A| + |B|) over all pixels of all images, which is their F1; 1 where both are empty."""
    both = sum(int(np.sum(p & m)) for p, m in zip(predicted, masks, strict=True))
    each = sum(int(p.sum()) + int(m.sum()) for p, m in zip(predicted, masks, strict=True))
    return 2 * both / each if each else 1.0


def saliency(maps: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> dict[str, float]:
    """{"mae": mean absolute error of maps in [0, 1], "f_max": highest F of 255 thresholds, with beta^2 = 0.3}.

    F comes from precision and recall over all pixels of all images.
    """
    values, truth = np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])
    bins = np.linspace(0, 1, 256)
    hits, called = (np.histogram(v, bins)[0][::-1].cumsum() for v in (values[truth], values))
    precision, recall = hits / np.maximum(called, 1), hits / max(truth.sum(), 1)
    f = (1 + BETA2) * precision * recall / np.maximum(BETA2 * precision + recall, 1e-12)
    return {"mae": float(np.abs(values - truth).mean()), "f_max": float(f.max())}


def boxes_of(mask: np.ndarray, smallest: int = 1) -> np.ndarray:
    """Boxes (n, 4) around the components (8 neighbours) of a mask that have at least `smallest` pixels."""
    labelled, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labelled.ravel(), minlength=count + 1)[1:]
    found = zip(ndimage.find_objects(labelled), sizes, strict=True)
    corners = [(y.start, x.start, y.stop, x.stop) for (y, x), size in found if size >= smallest]
    return np.array(corners, dtype=int).reshape(-1, 4)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4)."""
    a, b = first[:, None], second[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = sides.clip(min=0).prod(axis=-1)
    area = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (a, b)]
    return both / (area[0] + area[1] - both)


def box_ap(
    predicted: Sequence[np.ndarray], scores: Sequence[np.ndarray], truth: Sequence[np.ndarray], iou: float = 0.5
) -> float:
    """Average precision of boxes: AP50 with iou = 0.5.

    Boxes of all images are taken from the highest score down. One is right if it overlaps a true box of its image by
    `iou` or more that no earlier box took; AP is the sum of the precision at each right box over the number of true
    boxes.

    predicted, scores: one (n_i, 4) and (n_i,) per image.
    truth: one (m_i, 4) per image.
    """
    order = sorted(((s, i, j) for i, of_image in enumerate(scores) for j, s in enumerate(of_image)), reverse=True)
    free = [np.ones(len(boxes), dtype=bool) for boxes in truth]
    right = []
    for _, i, j in order:
        overlap = np.append(np.where(free[i], box_iou(predicted[i][j : j + 1], truth[i])[0], 0.0), 0.0)
        hit = overlap.max() >= iou
        if hit:
            free[i][overlap.argmax()] = False
        right.append(hit)
    hits = np.array(right, dtype=float)
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / max(1, sum(len(boxes) for boxes in truth)))
