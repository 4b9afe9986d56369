"""RAD (Zhang et al. 2026, 'Is Training Necessary for Anomaly Detection?', arXiv 2601.22763; chapter 17).

AnomalyDINO's bank with three edits. Only the good images most like the test image as a whole are searched; a patch is
compared with the patches at most `radius` rows and columns from its own place; and each layer is searched alone, then
the cosine distances are averaged.

The facts are those of the authors' code of January 2026 (github.com/longkukuhi/RAD). Where this file differs:

===========  ===================================  ==============================================================
what         here                                 authors' code
===========  ===================================  ==============================================================
layers       of any network, on the finest grid   blocks 4, 7, 10 and 12 of DINOv3 ViT-B/16, one grid, normalised
whole image  mean of the last layer               CLS token of the last layer
size         squares of 256 pixels                squares of 512 pixels, centre crop 448
map          Gaussian, sigma 1 pixel              the same, in a window of 5 x 5 pixels of 256 x 256
radius       1                                    1 on MVTec AD and 3D-ADAM, 2 on VisA, 0 on Real-IAD
===========  ===================================  ==============================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.detectors.base import Detector, require_grid
from adlib.detectors.npad import window_squared_distances
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.patches import patch_vectors


@dataclass(kw_only=True, eq=False, repr=False)
class RAD(Detector):
    """Cosine distance to the nearest patch around the place, in the most similar good images, averaged over layers.

    All images must give one grid, so aspect is "square" by default. Nothing here is random.

    radius: of the neighbourhood that is searched, in patches, cut at the border.
    nearest_images: number of good images that are searched, at most the number of references.
    top_share: fraction of the map's pixels in the image score, see `top_share_mean`; 0 for the maximum.
    sigma: in network pixels, before the image score too.
    """

    name: ClassVar[str] = "rad"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "17"

    aspect: str = "square"
    radius: int = 1
    nearest_images: int = 150
    top_share: float = 0.01
    sigma: float = 1.0

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill `bank_` (N, h, w, D), unit vectors of each layer side by side, and `globals_` (N, G), unit vectors."""
        patches, whole, grid = PatchBank(views), [], None
        for item in features:
            vectors, size = self._vectors(item)
            grid = grid or size
            require_grid(size, grid, item.name)
            patches.append(vectors)
            whole.append(self._whole(item))
        self.bank_, self.globals_, self.grid_ = (
            patches.vectors().reshape(views, *grid, -1),
            torch.stack(whole),
            list(grid),
        )

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        vectors, grid = self._vectors(features)
        require_grid(grid, tuple(self.grid_), features.name)
        alike = self.globals_ @ self._whole(features)
        bank = self.bank_
        if self.nearest_images < len(bank):
            bank = bank[alike.topk(self.nearest_images).indices]
        widths = [values.shape[0] for values in features.maps.values()]
        layers = zip(vectors.reshape(*grid, -1).split(widths, dim=-1), bank.split(widths, dim=-1), strict=True)
        reach = min(self.radius, max(grid))
        # Half the squared distance of unit vectors is 1 - cosine.
        scores = torch.stack([window_squared_distances(*layer, reach) / 2 for layer in layers]).mean(dim=0)
        pixels = torch.from_numpy(features.frame.network_map(scores.cpu().numpy(), self.sigma)).flatten()
        return top_share_mean(pixels, self.top_share), scores

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "its image score is taken over the pixels of its smoothed map, and its search depends on the image"

    def _check(self) -> None:
        super()._check()
        if self.radius < 0:
            raise InputError(f"radius counts patches, 0 or more, not {self.radius}.")
        if self.nearest_images < 1:
            raise InputError(f"nearest_images must be at least 1, not {self.nearest_images}.")

    def _vectors(self, features: ImageFeatures) -> tuple[Tensor, tuple[int, int]]:
        vectors, grid = patch_vectors(features.maps, neighbourhood=1)
        parts = vectors.split([values.shape[0] for values in features.maps.values()], dim=1)
        return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1), grid

    def _whole(self, features: ImageFeatures) -> Tensor:
        return F.normalize(features.maps[self._layers()[-1]].mean(dim=(1, 2)), dim=0)
