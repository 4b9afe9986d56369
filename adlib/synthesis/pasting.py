"""Synthetic defects for training DRAEM: foreign textures pasted into good images (chapter 08).

Zavrtanik, Kristan & Skocaj 2021, 'DRAEM', sec. 3.3. The paper uses textures from the Describable Textures Dataset
(5,640 photographs, 47 kinds). That data set is not needed here: the textures are other good images, the three texture
photographs in scikit-image (brick, grass, gravel), and generated textures from smooth shades to speckles, all strongly
augmented. They are less varied than photographs of 47 kinds, so a detector trained on them sees fewer possible defects.
Random numbers come from torch's generator, so `torch.manual_seed` fixes them.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from skimage import data
from torch import Tensor

from adlib.errors import check_choice
from adlib.synthesis.chance import between
from adlib.synthesis.perlin import perlin_masks, random_noise

MIXED = {"both": ("good", "photographs"), "all": ("good", "photographs", "drawn")}
TEXTURES = ("good", "photographs", "drawn", *MIXED)
DRAWN_SIDE = 256  # pixels of a generated texture, before a piece is cut out
CHANGES_EACH = 3  # random colour changes per texture, as in the paper
MOST_TRANSPARENT = 0.8  # largest weight of the good image on the mask


def paste(images: Tensor, textures: Tensor, masks: Tensor, transparency: Tensor) -> Tensor:
    """Blend textures into images on the masks (the paper's eq. 3, whose opacity beta is 1 - transparency).

    images: (B, C, h, w).
    textures: (B, C, h, w).
    masks: (B, 1, h, w) bool.
    transparency: (B,), weight of the image on the mask, 0 to 1.
    Returns (B, C, h, w).
    """
    through = transparency.view(-1, 1, 1, 1)
    return torch.where(masks, through * images + (1 - through) * textures, images)


def made_up_defects(images: Tensor, textures: str = "both", share: float = 0.5) -> tuple[Tensor, Tensor]:
    """Add synthetic defects to some images of a batch.

    images: (B, C, h, w) in [0, 1].
    textures: "good" uses the other images of the batch, "photographs" scikit-image's brick, grass and gravel, "drawn"
        the generated textures of `drawn`; "both" uses one of the first two at random, "all" one of the three.
    share: probability that an image gets a defect.
    Returns the batch (B, C, h, w) in [0, 1] and the defect masks (B, 1, h, w) bool.
    Raises InputError for an unknown kind of textures.
    """
    check_choice("kind of textures", textures, TEXTURES)
    count, device = len(images), images.device
    size = tuple(images.shape[2:])
    masks = perlin_masks(count, size).to(device) & (torch.rand(count, 1, 1, 1) < share).to(device)
    kinds = MIXED.get(textures, (textures,))
    foreign = []
    for number in range(count):
        kind = kinds[0] if len(kinds) == 1 else kinds[int(torch.randint(len(kinds), ()))]
        other = int(torch.randint(1, max(count, 2), ()))
        source = images[(number + other) % count] if kind == "good" else _SOURCES[kind]().to(device)
        foreign.append(change(source, size))
    transparency = MOST_TRANSPARENT * torch.rand(count).to(device)
    return paste(images, torch.stack(foreign), masks, transparency), masks


def photograph() -> Tensor:
    """One of the three texture photographs at random, in grey: (3, 512, 512) in [0, 1]."""
    names = ("brick", "grass", "gravel")
    return _photograph(names[int(torch.randint(len(names), ()))])


@functools.cache
def _photograph(name: str) -> Tensor:
    grey = np.asarray(getattr(data, name)(), dtype=np.float32) / 255
    return torch.from_numpy(grey).expand(3, -1, -1)


def drawn() -> Tensor:
    """A generated texture: two random colours mixed by Perlin noise of 1 to 32 cells per axis.

    With few cells the texture is a smooth shade, with many it is speckled or striped. Returns (3, 256, 256) in [0, 1].
    """
    first, second = torch.rand(2, 3, 1, 1)
    return first + (second - first) * (random_noise((DRAWN_SIDE, DRAWN_SIDE)) + 1) / 2


_SOURCES: dict[str, Callable[[], Tensor]] = {"photographs": photograph, "drawn": drawn}


def change(texture: Tensor, size: tuple[int, int]) -> Tensor:
    """A random piece of a texture: cropped, rotated, mirrored and strongly changed in colour; half the pieces are grey.

    texture: (3, h, w) in [0, 1].
    size: (height, width) of the result, which shows 30% to 100% of the texture's sides.
    Returns (3, *size) in [0, 1].
    """
    piece = _cut(texture, size)
    for which in torch.randperm(len(_CHANGES))[:CHANGES_EACH].tolist():
        piece = _CHANGES[which](piece).clamp(0, 1)
    if torch.rand(()) < 0.5:  # in grey images colour alone would reveal every synthetic defect, but no real defect
        piece = piece.mean(0, keepdim=True).expand(3, -1, -1)
    return piece


def _cut(texture: Tensor, size: tuple[int, int]) -> Tensor:
    sides = [max(1, round(side * (0.3 + 0.7 * float(torch.rand(()))))) for side in texture.shape[1:]]
    top, left = (int(torch.randint(whole - side + 1, ())) for whole, side in zip(texture.shape[1:], sides, strict=True))
    piece = texture[:, top : top + sides[0], left : left + sides[1]]
    piece = torch.rot90(piece, int(torch.randint(4, ())), (1, 2))
    if torch.rand(()) < 0.5:
        piece = piece.flip(2)
    return F.interpolate(piece[None], size=size, mode="bilinear", antialias=True)[0]


def _factor(most: float) -> float:
    """1 / most to most, as likely below 1 as above."""
    return math.exp(between(-1, 1) * math.log(most))


def _tint(piece: Tensor) -> Tensor:
    return piece * (0.4 + 1.2 * torch.rand(3, 1, 1)).to(piece.device)


def _swap_channels(piece: Tensor) -> Tensor:
    return piece[torch.randperm(3)]


def _brighten(piece: Tensor) -> Tensor:
    return piece + between(-0.4, 0.4)


def _contrast(piece: Tensor) -> Tensor:
    mean = piece.mean()
    return mean + (piece - mean) * _factor(3)


def _bend(piece: Tensor) -> Tensor:
    return piece ** _factor(2.5)


def _solarise(piece: Tensor) -> Tensor:
    above = between(0.1, 0.6)
    return torch.where(piece > above, 1 - piece, piece)


def _posterise(piece: Tensor) -> Tensor:
    levels = int(torch.randint(2, 6, ()))
    return (piece * levels).round() / levels


def _stretch(piece: Tensor) -> Tensor:
    low, high = piece.amin((1, 2), keepdim=True), piece.amax((1, 2), keepdim=True)
    return (piece - low) / (high - low).clamp(min=1e-6)


_CHANGES: tuple[Callable[[Tensor], Tensor], ...] = (
    _tint,
    _swap_channels,
    _brighten,
    _contrast,
    _bend,
    _solarise,
    _posterise,
    _stretch,
)
