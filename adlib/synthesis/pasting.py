"""Foreign textures pasted into good pictures: the made-up defects that DRAEM learns from (chapter 07).

Zavrtanik, Kristan & Skocaj 2021, 'DRAEM', sec. 3.3. The paper takes its textures from the Describable Textures Dataset
(5,640 photographs, 47 kinds). That data set is not needed here: the textures are other good pictures, the three
texture photographs that come with scikit-image (brick, grass, gravel), and drawn ones, from smooth shades to speckles,
all strongly changed. They are less varied than photographs of 47 kinds, and the detector that learns from them sees
less of what a defect could be.
Numbers come from torch's generator, so `torch.manual_seed` fixes them.
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
from adlib.synthesis.perlin import perlin_masks, random_noise

MIXED = {"both": ("good", "photographs"), "all": ("good", "photographs", "drawn")}
TEXTURES = ("good", "photographs", "drawn", *MIXED)
DRAWN_SIDE = 256  # pixels of a drawn texture, before a piece is cut out
CHANGES_EACH = 3  # random changes of colour to one texture, as in the paper
MOST_TRANSPARENT = 0.8  # share of the good picture that may shine through


def paste(pictures: Tensor, textures: Tensor, masks: Tensor, transparency: Tensor) -> Tensor:
    """Textures in place of the pictures on the masks, the pictures shining through (the paper's eq. 3).

    pictures, textures: (B, C, h, w); masks: (B, 1, h, w) bool; transparency: (B,) shares of the picture, 0 to 1.
    """
    through = transparency.view(-1, 1, 1, 1)
    return torch.where(masks, through * pictures + (1 - through) * textures, pictures)


def made_up_defects(pictures: Tensor, textures: str = "both", share: float = 0.5) -> tuple[Tensor, Tensor]:
    """A batch in which some pictures got a defect, and where: (B, C, h, w) in [0, 1] and (B, 1, h, w) bool.

    textures: "good" takes them from the batch's other pictures, "photographs" from scikit-image's brick, grass and
    gravel, "drawn" from `drawn`; "both" from the first two at random, "all" from the three; share: of the pictures that
    get a defect. Raises InputError on another kind.
    """
    check_choice("kind of textures", textures, TEXTURES)
    count, device = len(pictures), pictures.device
    size = tuple(pictures.shape[2:])
    masks = perlin_masks(count, size).to(device) & (torch.rand(count, 1, 1, 1) < share).to(device)
    kinds = MIXED.get(textures, (textures,))
    foreign = []
    for number in range(count):
        taken = kinds[0] if len(kinds) == 1 else kinds[int(torch.randint(len(kinds), ()))]
        other = int(torch.randint(1, max(count, 2), ()))
        source = pictures[(number + other) % count] if taken == "good" else _SOURCES[taken]().to(device)
        foreign.append(change(source, size))
    transparency = MOST_TRANSPARENT * torch.rand(count).to(device)
    return paste(pictures, torch.stack(foreign), masks, transparency), masks


def photograph() -> Tensor:
    """One of the three texture photographs, grey as it is: (3, 512, 512) in [0, 1]."""
    names = ("brick", "grass", "gravel")
    return _photograph(names[int(torch.randint(len(names), ()))])


@functools.cache
def _photograph(name: str) -> Tensor:
    grey = np.asarray(getattr(data, name)(), dtype=np.float32) / 255
    return torch.from_numpy(grey).expand(3, -1, -1)


def drawn() -> Tensor:
    """Two random colours mixed by Perlin noise of 1 to 32 cells an axis: (3, 256, 256) in [0, 1].

    With few cells the piece is a smooth shade, with many it is speckled or striped.
    """
    first, second = torch.rand(2, 3, 1, 1)
    return first + (second - first) * (random_noise((DRAWN_SIDE, DRAWN_SIDE)) + 1) / 2


_SOURCES: dict[str, Callable[[], Tensor]] = {"photographs": photograph, "drawn": drawn}


def change(texture: Tensor, size: tuple[int, int]) -> Tensor:
    """A piece of a texture, cut out, turned and mirrored at random, and strongly changed in colour.

    texture: (3, h, w) in [0, 1]; size: of the piece, which shows 30% to 100% of the texture's sides.
    Every other piece is grey. Returns (3, *size) in [0, 1].
    """
    piece = _cut(texture, size)
    for which in torch.randperm(len(_CHANGES))[:CHANGES_EACH].tolist():
        piece = _CHANGES[which](piece).clamp(0, 1)
    if torch.rand(()) < 0.5:  # in grey pictures colour alone would give all made-up defects away, and no real one
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


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _factor(most: float) -> float:
    """1 / most to most, as likely below 1 as above."""
    return math.exp(_between(-1, 1) * math.log(most))


def _tint(piece: Tensor) -> Tensor:
    return piece * (0.4 + 1.2 * torch.rand(3, 1, 1)).to(piece.device)


def _swap_channels(piece: Tensor) -> Tensor:
    return piece[torch.randperm(3)]


def _brighten(piece: Tensor) -> Tensor:
    return piece + _between(-0.4, 0.4)


def _contrast(piece: Tensor) -> Tensor:
    mean = piece.mean()
    return mean + (piece - mean) * _factor(3)


def _bend(piece: Tensor) -> Tensor:
    return piece ** _factor(2.5)


def _solarise(piece: Tensor) -> Tensor:
    above = _between(0.1, 0.6)
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
