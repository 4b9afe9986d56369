"""Two small networks over frozen features, trained in episodes on other classes than those tested (chapter 10).

`Registration` follows RegAD (Huang et al. 2022, sec. 3): a spatial transformer turns a feature map, an encoder of 1 x 1
convolutions describes each patch, and a predictor guesses the description of the patch at the same place in another
image of the class, without negatives (SimSiam, Chen and He 2021). RegAD trains a ResNet-18 with three transformers;
here one is trained over features of a frozen network. `Prototypes` compares each patch with the support images of all
classes of an episode, as prototypical networks do with one mean a class (Snell et al. 2017); a patch keeps all.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Registration(nn.Module):
    """Siamese registration of feature maps.

    channels: of the maps.
    width: channels of a patch's description.
    """

    def __init__(self, channels: int, width: int = 128) -> None:
        super().__init__()
        self.locate = nn.Sequential(
            nn.Conv2d(channels, 32, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 2)
        )
        nn.init.zeros_(self.locate[-1].weight)  # before training, nothing turns
        self.locate[-1].bias.data = torch.tensor([1.0, 0.0])
        self.encoder = nn.Sequential(_block(channels, width), _block(width, width), nn.Conv2d(width, width, 1))
        self.predictor = nn.Sequential(_block(width, width), nn.Conv2d(width, width, 1))

    def align(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w), each turned by the angle that `locate` predicts from it; outside, the border repeats."""
        (cos, sin), zero = F.normalize(self.locate(maps), dim=1).T, torch.zeros(len(maps), device=maps.device)
        plane = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
        places = F.affine_grid(plane, list(maps.shape), align_corners=False)
        return F.grid_sample(maps, places, padding_mode="border", align_corners=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Registered descriptions (B, width, h, w) of maps (B, C, h, w)."""
        return self.encoder(self.align(maps))

    def loss(self, query: Tensor, support: Tensor) -> Tensor:
        """Mean over patches of 1 - cosine between what one image predicts and what the other is, both ways; 0 to 2.

        query, support: maps (B, C, h, w); row i of both is one class. No gradient flows through the target, so that the
        network does not give all patches one description.
        """
        one, other = self(query), self(support)
        ways = ((self.predictor(one), other.detach()), (self.predictor(other), one.detach()))
        return torch.stack([1 - F.cosine_similarity(*way, dim=1).mean() for way in ways]).mean()


class Prototypes(nn.Module):
    """One linear layer, trained so that a patch is nearest to a patch of its own class.

    channels: of the maps.
    width: channels of a patch's description.
    temperature: of the softmax over classes.
    """

    def __init__(self, channels: int, width: int = 128, temperature: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.temperature = nn.Conv2d(channels, width, 1), temperature

    def forward(self, maps: Tensor) -> Tensor:
        """Descriptions (B, width, h, w) of maps (B, C, h, w)."""
        return self.encoder(maps)

    def loss(self, query: Tensor, support: Tensor) -> Tensor:
        """Cross-entropy of a query patch's class, by its highest cosine to any support patch of each class.

        query, support: maps (B, C, h, w) of B different classes; row i of both is class i.
        """
        patches = F.normalize(self(query).flatten(2), dim=1)  # (B, width, P)
        known = F.normalize(self(support).flatten(2), dim=1)
        nearest = torch.einsum("bcp,kcq->bpkq", patches, known).amax(dim=3)  # (B, P, classes)
        own = torch.arange(len(query), device=query.device).repeat_interleave(patches.shape[2])
        return F.cross_entropy(nearest.flatten(0, 1) / self.temperature, own)


def train_in_episodes(
    network: nn.Module, maps: Tensor, steps: int, classes: int = 16, rate: float = 1e-3, seed: int = 0
) -> list[float]:
    """Train on random episodes: two different images each of `classes` different classes. Returns the losses.

    network: has `loss(query, support)`; it is left in evaluation mode.
    maps: (classes, images, C, h, w) features of good images.
    steps: number of episodes.
    classes: in an episode; at most those of `maps`.
    rate: Adam's learning rate.
    seed: of the episodes.
    """
    chance, losses = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(network.parameters(), rate)
    network.train()
    for _ in range(steps):
        chosen = torch.randperm(len(maps), generator=chance)[:classes]
        query, support = torch.rand(len(chosen), maps.shape[1], generator=chance).argsort(dim=1)[:, :2].T
        loss = network.loss(maps[chosen, query], maps[chosen, support])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    network.eval()
    return losses


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
