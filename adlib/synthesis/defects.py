"""Real defects cut out by their masks and pasted into good images (chapter 18).

One rejected part becomes many: its defect is cut with a margin, turned, mirrored and scaled, and pasted at random into
images of good parts, whose mask is then known. Random numbers come from torch's generator, so `torch.manual_seed` fixes
them.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.ndimage import binary_fill_holes, binary_opening, gaussian_filter
from skimage.filters import threshold_triangle
from torch import Tensor

from adlib.errors import InputError, check_choice
from adlib.synthesis.blending import blend

BLENDINGS = ("poisson", "mixed", "plain")
SMOOTH = 4  # pixels, standard deviation of the Gaussian before an image's background is told from its part
TRIES = 100  # random places, of which the first inside the part is taken


@dataclass(frozen=True)
class Crop:
    """A defect and its surroundings.

    piece: (C, h, w) in [0, 1].
    mask: (1, h, w) bool, True on the defect.
    """

    piece: Tensor
    mask: Tensor


def cut(image: Tensor, mask: Tensor, margin: int = 4) -> Crop:
    """Cut the defect out of an image: the bounding box of its mask, and a margin as far as the image goes.

    image: (C, H, W) in [0, 1].
    mask: (1, H, W) bool, True on the defect.
    margin: pixels around the box; `paste_defect` blends there.
    Raises InputError for a mask of another size, and for an empty one.
    """
    if mask.shape != (1, *image.shape[1:]) or mask.dtype != torch.bool:
        raise InputError(
            f"A defect is cut by a bool mask {(1, *image.shape[1:])}, not {mask.dtype} {tuple(mask.shape)}."
        )
    if not mask.any():
        raise InputError("The mask is empty, so there is no defect to cut; give the mask of a defective image.")
    box = []
    for axis in (1, 2):
        touched = mask[0].any(dim=2 - axis).nonzero()[:, 0]
        box.append(slice(max(int(touched[0]) - margin, 0), int(touched[-1]) + 1 + margin))
    return Crop(image[:, box[0], box[1]], mask[:, box[0], box[1]])


def varied(crop: Crop, turn: bool = True, mirror: bool = True, scale: float = 1.25) -> Crop:
    """The crop at random turned by quarters, mirrored and scaled.

    turn: whether to turn it. Light and grain of the piece turn with it.
    mirror: whether to mirror it, in half of the cases.
    scale: largest factor of its sides, at least 1; 1 / scale is the smallest.
    """
    if scale < 1:
        raise InputError(f"scale is the largest factor of a crop's sides, at least 1, not {scale}.")
    piece, mask = crop.piece, crop.mask
    if turn:
        quarters = int(torch.randint(4, ()))
        piece, mask = (torch.rot90(part, quarters, (1, 2)) for part in (piece, mask))
    if mirror and torch.rand(()) < 0.5:
        piece, mask = piece.flip(2), mask.flip(2)
    factor = math.exp((2 * float(torch.rand(())) - 1) * math.log(scale))
    return resized(Crop(piece, mask), [max(4, round(side * factor)) for side in piece.shape[1:]])


def resized(crop: Crop, size: list[int]) -> Crop:
    """The crop at another height and width; the mask keeps every pixel that the defect touches."""
    if list(crop.piece.shape[1:]) == size:
        return crop
    piece = F.interpolate(crop.piece[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)
    shrunk = F.adaptive_max_pool2d(crop.mask.float(), size).bool()
    return Crop(piece, shrunk)


def foreground(image: Tensor) -> Tensor:
    """Where a part is in front of an even background: (1, H, W) bool.

    A pixel belongs to the part where its colour, smoothed, differs from the median of the image's border by more than
    the triangle method's threshold (Zack et al. 1977), which is made for one large peak, here the background. Holes are
    filled and specks of up to ten pixels removed. Of a part that fills the image this says nothing.
    """
    border = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1)
    distance = (image - border.median(dim=1).values[:, None, None]).abs().amax(dim=0)
    smooth = gaussian_filter(distance.cpu().numpy(), SMOOTH)
    found = binary_opening(binary_fill_holes(smooth > threshold_triangle(smooth)), iterations=5)
    return torch.from_numpy(found)[None]


def paste_defect(
    image: Tensor, crop: Crop, part: Tensor | None = None, blending: str = "poisson", seam: int = 3
) -> tuple[Tensor, Tensor]:
    """Paste a cut defect at a random place.

    image: (C, H, W) in [0, 1], of a good part.
    crop: the defect; one larger than the image is shrunk to fit.
    part: (1, H, W) bool, where a defect may be, or None for anywhere. Among random places the one with most of the
        defect inside is taken.
    blending: "poisson" keeps the piece's gradients and the image's brightness, "mixed" also the image's texture where
        it is stronger, "plain" copies the pixels.
    seam: pixels around the defect's mask that are pasted, too, so that its outline is the defect's own.
    Returns the image (C, H, W) in [0, 1] and the defect's mask (1, H, W) bool, without the seam.
    Raises InputError for an unknown kind of blending.
    """
    check_choice("blending", blending, BLENDINGS)
    shrink = min(1.0, *(whole / side for whole, side in zip(image.shape[1:], crop.piece.shape[1:], strict=True)))
    crop = resized(crop, [int(side * shrink) for side in crop.piece.shape[1:]])
    top, left = _place(tuple(image.shape[1:]), crop.mask, part)
    height, width = crop.mask.shape[1:]
    mask = torch.zeros(1, *image.shape[1:], dtype=torch.bool)
    mask[:, top : top + height, left : left + width] = crop.mask
    pasted = F.max_pool2d(crop.mask.float(), 2 * seam + 1, 1, seam).bool()
    if pasted.all() and pasted.shape[1:] == image.shape[1:]:
        pasted = crop.mask  # a defect as large as the image has no seam
    if blending != "plain":
        return blend(image, crop.piece, pasted, top, left, mixed=blending == "mixed"), mask
    result = image.clone()
    inside = result[:, top : top + height, left : left + width]
    result[:, top : top + height, left : left + width] = torch.where(pasted, crop.piece, inside)
    return result, mask


def _place(size: tuple[int, int], mask: Tensor, part: Tensor | None) -> tuple[int, int]:
    """Row and column of the piece's corner: the first of some random places inside the part, or the best of them."""
    best, most = (0, 0), -1.0
    height, width = mask.shape[1:]
    for _ in range(1 if part is None else TRIES):
        top, left = (
            int(torch.randint(whole - side + 1, ())) for whole, side in zip(size, (height, width), strict=True)
        )
        inside = 1.0 if part is None else float(part[:, top : top + height, left : left + width][mask].float().mean())
        if inside > most:
            best, most = (top, left), inside
        if most == 1:
            break
    return best
