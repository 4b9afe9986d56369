"""The masked autoencoder (He et al. 2022, 'Masked Autoencoders Are Scalable Vision Learners'; chapter 19).

An image is cut into patches, most of them are hidden, and an encoder of transformer blocks sees only the others. A
smaller decoder gets their outputs, and one learned token at every hidden place, and predicts the pixels of all patches.
Blocks are torch's, before-norm as in the paper; names of parts are the paper's. Positions are fixed sines and cosines.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPSILON = 1e-6  # of layer norms, as in the authors' code
LONGEST_WAVE = 10_000


@dataclass(frozen=True)
class Shape:
    """Sizes of a masked autoencoder.

    side: of the square image in pixels.
    patch: side of a patch in pixels; divides `side`.
    width, depth, heads: values of a token, blocks and attention heads of the encoder.
    decoder_width, decoder_depth, decoder_heads: of the decoder.
    Raises InputError for sizes that do not fit together.
    """

    side: int
    patch: int
    width: int
    depth: int
    heads: int
    decoder_width: int
    decoder_depth: int
    decoder_heads: int

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 1:
            raise InputError(f"Every size of a masked autoencoder must be at least 1; {self} has a smaller one.")
        if self.side % self.patch:
            raise InputError(f"Patches of {self.patch} pixels do not fill {self.side} pixels; give a divisor.")
        for width, heads in ((self.width, self.heads), (self.decoder_width, self.decoder_heads)):
            if width % heads or width % 4:
                raise InputError(f"A width of {width} must be a multiple of 4 and of its {heads} heads.")

    @property
    def rows(self) -> int:
        """Patches along a side."""
        return self.side // self.patch

    @property
    def patches(self) -> int:
        """Number of patches of an image."""
        return self.rows**2


class MaskedAutoencoder(nn.Module):
    """Predicts the pixels of all patches from those of a few. shape: its sizes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1))
        self.register_buffer("positions", positions(shape.rows, shape.width))
        self.register_buffer("decoder_positions", positions(shape.rows, shape.decoder_width))
        self.patch_embed = nn.Conv2d(3, shape.width, shape.patch, stride=shape.patch)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, shape.width))
        self.blocks = blocks(shape.width, shape.depth, shape.heads)
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        self.decoder_embed = nn.Linear(shape.width, shape.decoder_width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, shape.decoder_width))
        self.decoder_blocks = blocks(shape.decoder_width, shape.decoder_depth, shape.decoder_heads)
        self.decoder_norm = nn.LayerNorm(shape.decoder_width, eps=EPSILON)
        self.predict = nn.Linear(shape.decoder_width, shape.patch**2 * 3)

    def forward(self, images: Tensor, kept: Tensor) -> Tensor:
        """Predicted patches (B, P, patch * patch * 3) in the units of `standard`.

        images: (B, 3, side, side) RGB in [0, 1].
        kept: (B, K) numbers of the patches that the encoder sees.
        """
        return self.decode(self.encode(images, kept), kept)

    def encode(self, images: Tensor, kept: Tensor) -> Tensor:
        """(B, 1 + K, width): the class token and the kept patches; arguments as in `forward`."""
        tokens = self.patch_embed(self.standard(images)).flatten(2).transpose(1, 2)  # (B, P, width)
        tokens = tokens + self.positions[:, 1:]
        tokens = tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[2]))
        first = (self.class_token + self.positions[:, :1]).expand(len(tokens), -1, -1)
        return self.norm(self.blocks(torch.cat([first, tokens], dim=1)))

    def decode(self, tokens: Tensor, kept: Tensor) -> Tensor:
        """(B, P, patch * patch * 3) from the outputs (B, 1 + K, width) of `encode`."""
        tokens = self.decoder_embed(tokens)
        empty = self.mask_token.expand(len(tokens), self.shape.patches, -1)
        placed = empty.scatter(1, kept[..., None].expand(-1, -1, empty.shape[2]), tokens[:, 1:])
        whole = torch.cat([tokens[:, :1], placed], dim=1) + self.decoder_positions
        return self.predict(self.decoder_norm(self.decoder_blocks(whole)))[:, 1:]

    def standard(self, images: Tensor) -> Tensor:
        """RGB in [0, 1] -> ImageNet's mean 0 and standard deviation 1."""
        return (images - self.mean) / self.std

    def errors(self, images: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error of each pixel, mean over the channels, and whether the encoder did not see the patch.

        Arguments as in `forward`; returns (B, P, patch * patch) and (B, P) bool.
        """
        squared = (self(images, kept) - to_patches(self.standard(images), self.shape.patch)).square()
        hidden = torch.ones(squared.shape[:2], device=images.device).scatter(1, kept, 0.0)
        return squared.unflatten(2, (-1, 3)).mean(dim=3), hidden > 0

    def loss(self, images: Tensor, kept: Tensor) -> Tensor:
        """Mean squared error over the hidden patches; arguments as in `forward`."""
        squared, hidden = self.errors(images, kept)
        return squared[hidden].mean()


def blocks(width: int, depth: int, heads: int) -> nn.TransformerEncoder:
    """`depth` blocks of attention and a network of one hidden layer, four times as wide."""
    block = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, F.gelu, EPSILON, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(block, depth, enable_nested_tensor=False)


def positions(rows: int, width: int) -> Tensor:
    """(1, 1 + rows * rows, width): zeros for the class token, then sines and cosines of column and row.

    rows: patches along a side.
    width: a multiple of 4; a quarter each for sine and cosine of the column, and of the row.
    """
    waves = LONGEST_WAVE ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(rows), indexing="ij")
    angles = [place.flatten()[:, None] * waves for place in (column, row)]
    values = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    return F.pad(values, (0, 0, 1, 0))[None].float()


def to_patches(images: Tensor, patch: int) -> Tensor:
    """(B, 3, h, w) -> (B, P, patch * patch * 3), row by row; channels vary fastest, as in the authors' code."""
    cut = images.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # (B, 3, rows, patch, columns, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def from_patches(values: Tensor, patch: int, rows: int) -> Tensor:
    """(B, rows * rows, patch * patch * C) -> (B, C, h, w), the inverse of `to_patches` for C = 3."""
    cut = values.unflatten(2, (patch, patch, -1)).unflatten(1, (rows, rows))  # (B, rows, columns, patch, patch, C)
    return cut.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def random_kept(count: int, patches: int, share: float, generator: torch.Generator | None = None) -> Tensor:
    """(count, K) numbers of kept patches, K = max(1, int(share * patches)); None: torch's own generator."""
    order = torch.rand(count, patches, generator=generator).argsort(dim=1)
    return order[:, : max(1, int(share * patches))]


def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an official checkpoint (facebookresearch/mae) under the names of `MaskedAutoencoder`.

    Both keep query, key and value in one matrix, in this order; the buffers of the normalisation are not in the file.
    state: what `read_checkpoint` returned for a file such as `mae_visualize_vit_base.pth`.
    """
    return {_renamed(name): value for name, value in state.items()}


_NAMES: tuple[tuple[str, str], ...] = (
    ("patch_embed.proj.", "patch_embed."),
    ("cls_token", "class_token"),
    ("pos_embed", "positions"),  # also of the decoder
    ("decoder_pred.", "predict."),
    ("attn.qkv.", "self_attn.in_proj_"),
    ("attn.proj.", "self_attn.out_proj."),
    ("mlp.fc1.", "linear1."),
    ("mlp.fc2.", "linear2."),
    ("blocks.", "blocks.layers."),
)


def _renamed(name: str) -> str:
    for official, ours in _NAMES:
        name = name.replace(official, ours)
    return name
