"""Vision transformers: images to patch tokens, with each network's own rule for position embeddings (chapter 21).

timm has the blocks; this module does what comes before and after them. timm resamples a learned position embedding to
the number of patches with antialiasing. DINOv2 (Oquab et al. 2024) was published with another rule, and AnomalyDINO's
numbers (Damm et al. 2025) come from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class PositionRule:
    """How a learned position embedding is resampled to another patch grid: bicubic, with two parameters.

    offset: added to the wanted number of patches per side before it is divided by the native number. The quotient is
        the scale of the sampling positions, so an offset shifts them slightly. 0: the scale is exactly wanted / native.
    antialias: whether the cubic kernel widens when the grid shrinks (it then also has a = -0.5 instead of -0.75).
    """

    offset: float
    antialias: bool


# facebookresearch/dinov2, hub/backbones.py: the first networks keep a historical offset, those with registers do not.
DINOV2_POSITIONS = PositionRule(offset=0.1, antialias=False)
ANTIALIASED_POSITIONS = PositionRule(offset=0.0, antialias=True)  # DINOv2 with registers; timm's rule for the others
HUGGING_FACE_POSITIONS = PositionRule(offset=0.0, antialias=False)  # transformers' DINOv2


def resample_positions(
    positions: Tensor, native: tuple[int, int], wanted: tuple[int, int], rule: PositionRule
) -> Tensor:
    """Resample a position embedding from its native patch grid to another.

    positions: (1, native rows * native columns, C), row by row.
    native: (rows, columns) of the learned grid.
    wanted: (rows, columns) of the new grid.
    rule: how to resample.
    Returns (1, rows * columns, C) float32; for the native grid the embedding itself, unchanged.
    """
    if torch.onnx.is_in_onnx_export():  # there the wanted grid is not known yet
        return _positions_in_graph(positions.float(), native, wanted, rule)
    if wanted == native:
        return positions.float()
    grid = positions.float().reshape(1, *native, -1).permute(0, 3, 1, 2)
    if rule.offset:
        scale = tuple((want + rule.offset) / have for want, have in zip(wanted, native, strict=True))
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=rule.antialias)
    else:
        grid = F.interpolate(grid, size=wanted, mode="bicubic", antialias=rule.antialias)
    assert grid.shape[-2:] == wanted
    return grid.flatten(2).transpose(1, 2)


def _positions_in_graph(
    positions: Tensor, native: tuple[int, int], wanted: tuple[Tensor, Tensor], rule: PositionRule
) -> Tensor:
    """`resample_positions` as two matrix products: the resizing of graphs knows no offset. wanted: () int64 each."""
    wanted = [torch.as_tensor(want) for want in wanted]
    resampled = (wanted[0] != native[0]) | (wanted[1] != native[1])  # else the offset has no effect: all stay in place
    rows, columns = (
        cubic_matrix(want, have, (want + rule.offset * resampled) / have, rule.antialias)
        for want, have in zip(wanted, native, strict=True)
    )
    channels = positions.shape[2]
    grid = rows.float() @ positions.reshape(native[0], native[1] * channels)
    grid = grid.reshape(wanted[0], native[1], channels).transpose(0, 1).reshape(native[1], wanted[0] * channels)
    grid = (columns.float() @ grid).reshape(wanted[1], wanted[0], channels)
    return grid.transpose(0, 1).reshape(1, wanted[0] * wanted[1], channels)


def cubic_matrix(wanted: Tensor, native: int, scale: Tensor, antialias: bool) -> Tensor:
    """(wanted, native) float64: bicubic resampling of one axis as a product, torch's `interpolate` of mode "bicubic".

    wanted: () number of cells of the new axis.
    native: number of cells of the old one.
    scale: () new cells per old cell.
    antialias: as in `PositionRule`.
    """
    cells = torch.arange(native)
    centres = (torch.arange(wanted) + 0.5).double()[:, None] / scale - 0.5  # of the new cells, in old cells
    if antialias:
        weights = _cubic((centres - cells) / torch.clamp(1 / scale, min=1), -0.5)
        return weights / weights.sum(1, keepdim=True)
    first = torch.floor(centres)
    taps = [(first + k, _cubic(centres - first - k, -0.75)) for k in (-1, 0, 1, 2)]  # beyond the ends: the end cells
    return sum((place.clamp(0, native - 1) == cells) * weight for place, weight in taps)


def _cubic(x: Tensor, a: float) -> Tensor:
    """Keys' cubic convolution kernel (1981) at x, with the parameter a."""
    x = x.abs()
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, a * (((x - 5) * x + 8) * x - 4)
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def patch_maps(
    network: nn.Module, images: Tensor, rule: PositionRule | None, blocks: Iterable[int], norm: bool
) -> tuple[dict[int, Tensor], Tensor | None]:
    """Patch tokens of some blocks of a timm vision transformer, laid out as maps.

    Class and register tokens take part in the attention and are left out of the maps. No block runs after the last
    one that is needed.

    network: timm's network.
    images: (B, 3, H, W), normalised, sides multiples of the patch size.
    rule: None for a network with rotary positions.
    blocks: numbers of blocks, 1-based.
    norm: whether to return the tokens after the final norm too.
    Returns ({block: (B, C, h, w)} without the norm, (B, C, h, w) after the norm or None).
    """
    wanted = set(blocks)
    patches = network.patch_embed.proj(images)
    grid = (patches.shape[-2], patches.shape[-1])
    patches = patches.flatten(2).transpose(1, 2).float()  # the residual stream stays float32, also under autocast
    prefix = [token for token in (network.cls_token, getattr(network, "reg_token", None)) if token is not None]
    prefix = torch.cat(prefix, dim=1)
    block_options = {}
    if rule is None:
        block_options["rope"] = network.rope.get_embed(shape=grid)
    else:
        native = tuple(network.patch_embed.grid_size)
        # The embedding covers the patches and, in most networks, the class token in front of them.
        covered = network.pos_embed.shape[1] - native[0] * native[1]
        prefix = torch.cat([prefix[:, :covered] + network.pos_embed[:, :covered], prefix[:, covered:]], dim=1)
        patches = patches + resample_positions(network.pos_embed[:, covered:], native, grid, rule)
    tokens = torch.cat([prefix.expand(len(images), -1, -1), patches], dim=1)

    def as_map(values: Tensor) -> Tensor:
        # Not `unflatten`, which a traced graph would fill with the example's grid.
        return values[:, prefix.shape[1] :].transpose(1, 2).reshape(len(images), -1, *grid)

    depth = len(network.blocks) if norm else max(wanted)
    maps = {}
    for number, block in enumerate(network.blocks[:depth], start=1):
        tokens = block(tokens, **block_options)
        if number in wanted:
            maps[number] = as_map(tokens)
    return maps, as_map(network.norm(tokens)) if norm else None
