"""Distances of an image's patches to single reference images, on disk: a shot sweep at the cost of one run.

AnomalyDINO's patch distance is a minimum over reference images. Stored as one column per reference image, the distances
of a test image serve every number of shots and every sample: each is a minimum over other columns (chapter 22).
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from adlib.bank.grouped import GroupedBank
from adlib.data.images import content_key
from adlib.detectors.base import Detector, Predictions, Scored
from adlib.features.cache import TensorCache, digest
from adlib.features.extract import ImageFeatures
from adlib.features.patches import Frame, grid_size
from adlib.parallel import one_core_each
from adlib.progress import progress

# Raise it whenever the same features give different distances, so that columns on disk are not used.
DISTANCES_VERSION = 3
VIEWS_AT_ONCE = 256  # reference images, or rotated copies, whose columns are computed together, from memory


class SharesDistances(Detector):
    """A detector whose patch distances are minima over reference images: runs on other references share them.

    Learned attributes include:

    bank_: (N, D) patch vectors of all reference images.
    offsets_: the bounds of each image's rows in the bank.
    references_: the content keys of the reference images.
    masked_: whether an object mask changes the distances.
    """

    _bank_of: ClassVar[GroupedBank | None] = None  # made from `bank_` on first use

    @abstractmethod
    def reference_distances(self, features: ImageFeatures) -> Tensor:
        """(patches, references) distance of each patch to each reference image.

        A column depends on its reference image alone, so the minimum over any choice of columns equals, bit for bit,
        the distances of a detector fitted on that choice.
        """

    @abstractmethod
    def _finished(self, distances: Tensor, grid: tuple[int, int], frame: Frame) -> Scored:
        """Score and map from the (masked) distances (patches,) of the patches to the nearest reference."""

    @abstractmethod
    def _distances_depend_on(self) -> dict[str, Any]:
        """Parameters that change a distance, other than those of the features."""

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Scores and maps, from the distances of `share_distances` where cached. Raises InputError before `fit`."""
        self._require_fit()
        shared = self._from_shared(images, cache)
        waiting = [image for image, scored in zip(images, shared, strict=True) if scored is None]
        self._grouped_bank()  # made once, here, rather than by two threads at a time
        fresh = one_core_each(self._scored, self._features(waiting, (0,), cache, show_progress, "scoring"))
        return self._predictions(next(fresh) if scored is None else scored for scored in shared)

    def share_distances(
        self, references: Sequence[Any], images: Sequence[Any], cache: TensorCache, show_progress: bool = False
    ) -> None:
        """Add the missing distances of the images to each of the references to the cache.

        A detector with the same parameters, fitted on any choice of these references, then scores the images by
        minima over columns, with results equal bit for bit. Replaces what this detector has learned.
        """
        shared = self._columns(cache)
        at_once = max(1, VIEWS_AT_ONCE // len(self.reference_angles))
        blocks = [references[i : i + at_once] for i in range(0, len(references), at_once)]
        with progress(total=len(blocks) * len(images), label="distances", unit="img", show=show_progress) as bar:
            for block in blocks:
                keys = [content_key(image) for image in block]
                waiting = [image for image in images if shared.missing(content_key(image), keys)]
                bar.update(len(images) - len(waiting))
                if not waiting:
                    continue
                self.fit(block, cache)
                for _ in self._measure(waiting, keys, shared, cache):
                    bar.update()

    def _measure(
        self, images: Sequence[Any], references: list[str], shared: "DistanceColumns", cache: TensorCache
    ) -> Iterator[None]:
        """Add the columns of the references that this detector was fitted on, image by image."""
        self._grouped_bank()  # made once, here, rather than by two threads at a time

        def measure(item: ImageFeatures) -> None:
            shared.add(item.key, references, self.reference_distances(item), grid_size(item.maps), item.frame)

        return one_core_each(measure, self._features(images, (0,), cache))

    def _grouped_bank(self) -> GroupedBank:
        if self._bank_of is None or self._bank_of.bank is not self.bank_:
            self._bank_of = GroupedBank(self.bank_, self.offsets_)
        return self._bank_of

    def _from_shared(self, images: Sequence[Any], cache: TensorCache | None) -> list[Scored | None]:
        """Scores from shared distances, without features; None where a column is missing or a mask needs features."""
        if cache is None or self.masked_:
            return [None] * len(images)
        shared = self._columns(cache)
        minima = (shared.minimum(content_key(image), self.references_) for image in images)
        return [None if minimum is None else self._finished(*minimum) for minimum in minima]

    def _columns(self, cache: TensorCache) -> "DistanceColumns":
        spec, network = self.spec(), self.network()
        shaped_by = self._distances_depend_on() | {
            "version": DISTANCES_VERSION,
            "features": [spec.kind(network, layer, angle) for layer in spec.layers for angle in self.reference_angles],
            "device": network.device.type,
        }
        return DistanceColumns(cache, f"{network.name}-distances-{digest(shaped_by)}")


class DistanceColumns:
    """Columns of distances in a cache, one file per test image, with its patch grid and frame: all that a score needs.

    Images are named by their content key, 64 hex digits, see `content_key`.

    cache: where the columns are stored.
    kind: names everything that changes a distance, other than the two images.
    """

    def __init__(self, cache: TensorCache, kind: str) -> None:
        self.cache = cache
        self.kind = kind

    def minimum(self, image: str, references: Sequence[str]) -> tuple[Tensor, tuple[int, int], Frame] | None:
        """(patches,) distances of the patches to the nearest reference, grid, frame; None where a column is missing."""
        stored, entry = self._read(image)
        place = {key: number for number, key in enumerate(stored)}
        if not place.keys() >= set(references):
            return None
        distances = entry["distances"][:, [place[key] for key in references]].amin(dim=1)
        return distances, tuple(entry["grid"].tolist()), Frame.from_tensor(entry["frame"])

    def missing(self, image: str, references: Sequence[str]) -> bool:
        """Whether the image lacks the column of any of the references."""
        return not set(references) <= set(self._read(image)[0])

    def add(self, image: str, references: Sequence[str], columns: Tensor, grid: tuple[int, int], frame: Frame) -> None:
        """Add columns (patches, R) for R references; columns that are stored already are kept."""
        stored, entry = self._read(image)
        fresh = [number for number, key in enumerate(references) if key not in stored]
        keys = [*stored, *(references[number] for number in fresh)]
        columns = columns.cpu() if len(fresh) == len(references) else columns[:, fresh].cpu()
        self.cache.put(
            self.kind,
            image,
            {
                "distances": torch.cat([entry["distances"], columns], dim=1) if entry else columns,
                "references": torch.tensor([list(bytes.fromhex(key)) for key in keys], dtype=torch.uint8),
                "grid": torch.tensor(grid),
                "frame": frame.as_tensor(),
            },
        )

    def _read(self, image: str) -> tuple[list[str], dict[str, Tensor]]:
        entry = self.cache.get(self.kind, image)
        if not entry:
            return [], {}
        digits = entry["references"].numpy().tobytes().hex()
        return [digits[start : start + 64] for start in range(0, len(digits), 64)], entry
