"""The metrics in plain, slow form: one loop over all distinct thresholds."""

import numpy as np

from adlib.evaluation import PIXEL_METRICS


def plain_auroc(labels, scores):
    good, defective = scores[labels == 0], scores[labels == 1]
    wins = sum(1.0 if d > g else 0.5 if d == g else 0.0 for d in defective for g in good)
    return wins / (len(good) * len(defective))


def plain_steps(labels, scores):
    """(recall, precision, F1) at each distinct score as a threshold, from high to low."""
    for threshold in sorted(set(scores.tolist()), reverse=True):
        found = int(np.sum(labels[scores >= threshold]))
        called = int(np.sum(scores >= threshold))
        yield found / np.sum(labels), found / called, 2 * found / (called + np.sum(labels))


def plain_ap(labels, scores):
    total, last = 0.0, 0.0
    for recall, precision, _ in plain_steps(labels, scores):
        total += (recall - last) * precision
        last = recall
    return total


def plain_f1max(labels, scores):
    return max(f1 for _, _, f1 in plain_steps(labels, scores))


def plain_components(mask):
    """Connected components over 8 neighbours, by flood fill: sets of pixels."""
    left = {(int(r), int(c)) for r, c in np.argwhere(mask)}
    while left:
        edge = [left.pop()]
        component = set(edge)
        while edge:
            row, column = edge.pop()
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            component |= near
            edge += near
        yield component


def plain_aupro(maps, masks, limit=0.3):
    maps = [m.astype(float) for m in maps]  # NumPy would compare a float32 map with a float threshold in float32
    components = [(m, sorted(c)) for m, mask in zip(maps, masks, strict=True) for c in plain_components(mask)]
    good = np.concatenate([m[mask == 0] for m, mask in zip(maps, masks, strict=True)])
    points = [(0.0, 0.0)]
    for threshold in sorted({v for m in maps for v in m.ravel().tolist()}, reverse=True):
        overlaps = [np.mean([m[pixel] >= threshold for pixel in component]) for m, component in components]
        points.append((float(np.mean(good >= threshold)), float(np.mean(overlaps))))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x1 <= limit:
            area += (x1 - x0) * (y0 + y1) / 2
        else:  # the last segment ends at the limit itself
            y_limit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            area += (limit - x0) * (y0 + y_limit) / 2
            break
    return area / limit


def plain_pixel_metrics(maps, masks, limit=0.3):
    labels = np.concatenate([np.asarray(m, int).ravel() for m in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    values = plain_auroc(labels, scores), plain_ap(labels, scores), plain_f1max(labels, scores)
    return dict(zip(PIXEL_METRICS, (*values, plain_aupro(maps, masks, limit)), strict=True))
