"""Point clouds: what every reader gives and every detector of clouds takes (chapter 13)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from adlib.errors import InputError


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points with what is known of each; organised (H, W, ...) as the camera's grid, or in any order (N, ...).

    xyz: (..., 3) float32 in mm, NaN where the scanner saw nothing.
    rgb: (..., 3) uint8, None where there are no colours.
    label: (...) integers, None where there are no labels.
    name: for messages.
    """

    xyz: np.ndarray
    rgb: np.ndarray | None = None
    label: np.ndarray | None = None
    name: str = "the cloud"

    @property
    def organised(self) -> bool:
        """Whether the points are a grid (H, W)."""
        return self.xyz.ndim == 3

    @property
    def valid(self) -> np.ndarray:
        """(...) bool: where there is a point."""
        return np.isfinite(self.xyz).all(axis=-1)


def as_cloud(item: Any) -> Cloud:
    """A checked `Cloud` of an array (N, 3) or (H, W, 3), or of anything with `xyz` and perhaps `rgb`.

    Raises InputError for another shape, colours that do not fit, and a cloud without a single point.
    """
    xyz, rgb, label = (getattr(item, name, None) for name in ("xyz", "rgb", "label"))
    name = getattr(item, "name", "the cloud")
    cloud = Cloud(_points(item if xyz is None else xyz, name), rgb, label, name)
    for what, values in (("colours", cloud.rgb), ("labels", cloud.label)):
        if values is not None and values.shape[: cloud.xyz.ndim - 1] != cloud.xyz.shape[:-1]:
            raise InputError(
                f"{cloud.name} has points of shape {cloud.xyz.shape} and {what} of shape {values.shape}; give one per "
                "point."
            )
    if not cloud.valid.any():
        raise InputError(f"{cloud.name} holds no point: every coordinate is NaN or missing.")
    return cloud


def _points(values: Any, name: str) -> np.ndarray:
    try:
        xyz = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"A point cloud is an array (N, 3) or (H, W, 3), not {type(values).__name__}.") from None
    if xyz.ndim not in (2, 3) or xyz.shape[-1] != 3:
        raise InputError(f"{name} has points of shape {xyz.shape}; give (N, 3) or (H, W, 3).")
    return xyz
