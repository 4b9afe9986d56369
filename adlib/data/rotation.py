"""Rotate an image at the same size (chapter 21)."""

import math

import numpy as np
from PIL import Image

from adlib.errors import InputError, check_choice

ROTATIONS = ("centred", "official")
ANGLES = tuple(range(0, 360, 45))  # in degrees, of references that are rotated (Damm et al. 2025)


def rotate(image: Image.Image, angle: float, rotation: str = "centred") -> Image.Image:
    """An RGB image rotated at the same size, by bilinear interpolation.

    image: RGB.
    angle: degrees, counter-clockwise.
    rotation: "centred" turns about the centre of the image, and pixels from outside are the image reflected at its
        border (d c b a | a b c d); half turns, and quarter turns of square images, are exact. "official" is what the
        official code of AnomalyDINO (Damm et al. 2025) computes: it turns about (W / 2, H / 2), with the centre of the
        first pixel at (0, 0), so half a pixel beside the centre, and the reflection does not repeat the border pixel
        (d c b | a b c d).
    Raises InputError for another mode, for an angle that is not finite and for an unknown rotation.
    """
    check_choice("rotation", rotation, ROTATIONS)
    if image.mode != "RGB":
        raise InputError(f"rotate takes an RGB image, not {image.mode}; call read_image first.")
    if not math.isfinite(angle):
        raise InputError(f"Cannot rotate by {angle} degrees; give a finite angle.")
    turn = _turn_centred if rotation == "centred" else _turn_official
    return Image.fromarray(turn(np.asarray(image), angle % 360))


def _turn_centred(pixels: np.ndarray, angle: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    if angle % 180 == 0 or (angle % 90 == 0 and height == width):
        return np.ascontiguousarray(np.rot90(pixels, int(angle // 90)))
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # From output to input, in units of half a side, y downwards; hence the side ratios at the sines.
    back = torch.tensor([[[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]]])
    values = torch.tensor(pixels).permute(2, 0, 1)[None].float()
    places = affine_grid(back, [1, 3, height, width], align_corners=False)
    turned = grid_sample(values, places, mode="bilinear", padding_mode="reflection", align_corners=False)
    turned = turned[0].add_(0.5).clamp_(0, 255).to(torch.uint8)
    return turned.permute(1, 2, 0).contiguous().numpy()


def _turn_official(pixels: np.ndarray, angle: float) -> np.ndarray:
    from scipy.ndimage import affine_transform

    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    back = np.array([[cos, sin], [-sin, cos]])  # (y, x) of an output pixel to the input
    pivot = np.array(pixels.shape[:2]) / 2
    turned = [
        affine_transform(channel, back, pivot - back @ pivot, output=float, order=1, mode="mirror")
        for channel in np.moveaxis(pixels, 2, 0)
    ]
    return np.rint(np.stack(turned, axis=2)).astype(np.uint8)
