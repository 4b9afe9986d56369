"""A small conditional variational autoencoder that makes defects up from a few real ones (chapter 18).

Kingma & Welling 2014, 'Auto-Encoding Variational Bayes'. The condition, here the mask of the defect, is an input of
both halves (Sohn, Lee & Yan 2015, 'Learning Structured Output Representation using Deep Conditional Generative
Models'). It sees crops of 32 x 32 pixels; a generated one is resized to the mask that it was made for.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.errors import InputError
from adlib.networks.latent import divergence, sampled
from adlib.progress import progress

SIDE = 32  # pixels of a crop
COARSEST = 4  # side of the grid at the bottleneck
MIDDLE = 0.5  # the mean of the good surroundings in every crop: blending sets the true brightness later


class CropVAE(nn.Module):
    """Crops and masks in, crops out, through a code of a few Gaussians.

    codes: number of Gaussians.
    width: channels at 16 x 16; twice as many below.
    """

    def __init__(self, codes: int = 16, width: int = 16) -> None:
        super().__init__()
        self.codes, self.deep = codes, 2 * width
        self.encoder = nn.Sequential(*_down(4, width), *_down(width, self.deep), *_down(self.deep, self.deep))
        self.gaussians = nn.Linear(self.deep * COARSEST**2, 2 * codes)
        self.spread = nn.Linear(codes, self.deep * COARSEST**2)
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs + 1, outputs, 3, padding=1), nn.LeakyReLU(0.1))
            for inputs, outputs in ((self.deep, self.deep), (self.deep, width), (width, width))
        )
        self.last = nn.Conv2d(width + 1, 3, 3, padding=1)

    def encode(self, pieces: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Pieces (B, 3, 32, 32) and masks (B, 1, 32, 32) -> means and logarithms of variances, each (B, codes)."""
        mean, log_variance = self.gaussians(self.encoder(torch.cat([pieces - MIDDLE, masks], dim=1)).flatten(1)).chunk(
            2, dim=1
        )
        return mean, log_variance.clamp(-10, 10)  # keeps exp() in range

    def decode(self, code: Tensor, masks: Tensor) -> Tensor:
        """Codes (B, codes) and masks (B, 1, 32, 32) -> pieces (B, 3, 32, 32) in [0, 1]."""
        values = self.spread(code).unflatten(1, (self.deep, COARSEST, COARSEST))
        for layer in self.decoder:
            values = F.interpolate(layer(_with_mask(values, masks)), scale_factor=2)
        return (MIDDLE + self.last(_with_mask(values, masks))).clamp(0, 1)

    @torch.no_grad()
    def generate(self, masks: Tensor) -> Tensor:
        """A piece (B, 3, 32, 32) for each mask (B, 1, 32, 32), from codes of N(0, 1)."""
        return self.decode(torch.randn(len(masks), self.codes, device=masks.device), masks)


def train_crop_vae(
    pieces: Sequence[Tensor],
    masks: Sequence[Tensor],
    steps: int = 1000,
    batch: int = 16,
    rate: float = 2e-3,
    kl_weight: float = 3e-4,
    seed: int = 0,
    show_progress: bool = False,
) -> CropVAE:
    """Train on crops of any size, at random mirrored and turned by quarters.

    pieces: each (3, h, w) in [0, 1].
    masks: each (1, h, w) bool.
    steps: number of batches.
    batch: crops per batch; few crops are repeated.
    rate: learning rate of Adam.
    kl_weight: weight of the divergence from N(0, 1), in nats per value of a crop; a squared error has weight 1.
    seed: of the weights, batches and noise.
    show_progress: whether to show a progress bar.
    Raises InputError where there is nothing to learn from.
    """
    if not pieces or len(pieces) != len(masks):
        raise InputError(
            f"A generator learns from at least one crop with its mask, not {len(pieces)} and {len(masks)}."
        )
    small = [as_input(piece, mask) for piece, mask in zip(pieces, masks, strict=True)]
    shown, marked = (torch.stack(part) for part in zip(*small, strict=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CropVAE().train()
        optimiser = torch.optim.Adam(network.parameters(), rate)
        for _ in progress(range(steps), label="generator", unit="step", show=show_progress):
            chosen = torch.randint(len(shown), (batch,))
            seen, where = _turned(torch.cat([shown[chosen], marked[chosen]], dim=1)).split([3, 1], dim=1)
            mean, log_variance = network.encode(seen, where)
            error = F.mse_loss(network.decode(sampled(mean, log_variance), where), seen)
            loss = error + kl_weight * divergence(mean, log_variance).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


def as_input(piece: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A piece (3, 32, 32) whose surroundings have the mean 0.5, and the mask (1, 32, 32) in {0, 1}."""
    around = ~mask[0] if not mask.all() else mask[0]
    level = piece[:, around].mean(dim=1)[:, None, None]
    piece = F.interpolate(piece[None], size=(SIDE, SIDE), mode="bilinear", antialias=True)[0]
    return (piece - level + MIDDLE).clamp(0, 1), F.adaptive_max_pool2d(mask.float(), SIDE)


def _turned(values: Tensor) -> Tensor:
    """All crops of a batch, turned and mirrored alike."""
    values = torch.rot90(values, int(torch.randint(4, ())), (2, 3))
    return values.flip(3) if torch.rand(()) < 0.5 else values


def _with_mask(values: Tensor, masks: Tensor) -> Tensor:
    return torch.cat([values, F.adaptive_avg_pool2d(masks, values.shape[2:])], dim=1)


def _down(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.1)
