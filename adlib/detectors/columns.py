"""Distances of a picture's patches to single reference pictures, on disk: a shot sweep for the price of one run.

AnomalyDINO's patch distance is a minimum over reference pictures. Kept as a column a reference, the distances of a test
picture serve every shot count and every draw: each is a minimum over other columns (chapter 22).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adlib.features.cache import TensorCache
from adlib.features.patches import Frame


class DistanceColumns:
    """Columns of distances in a cache, a file a test picture, with its patch grid and frame: all that a score needs.

    kind: names everything that shapes a distance apart from the two pictures. Pictures go by their content's key,
    64 hex digits, as `content_key` gives it.
    """

    def __init__(self, cache: TensorCache, kind: str) -> None:
        self.cache = cache
        self.kind = kind

    def minimum(self, picture: str, references: Sequence[str]) -> tuple[Tensor, tuple[int, int], Frame] | None:
        """(patches,) distance of each patch to the nearest of the references, grid, frame; None without a column."""
        known, entry = self._read(picture)
        place = {key: number for number, key in enumerate(known)}
        if not place.keys() >= set(references):
            return None
        distances = entry["distances"][:, [place[key] for key in references]].amin(dim=1)
        return distances, tuple(entry["grid"].tolist()), Frame.from_tensor(entry["frame"])

    def missing(self, picture: str, references: Sequence[str]) -> bool:
        """Whether the picture lacks the column of any of the references."""
        return not set(references) <= set(self._read(picture)[0])

    def add(
        self, picture: str, references: Sequence[str], columns: Tensor, grid: tuple[int, int], frame: Frame
    ) -> None:
        """Keep columns (patches, R) for R references beside those that are there already."""
        known, entry = self._read(picture)
        fresh = [number for number, key in enumerate(references) if key not in known]
        keys = [*known, *(references[number] for number in fresh)]
        columns = columns.cpu() if len(fresh) == len(references) else columns[:, fresh].cpu()
        self.cache.put(
            self.kind,
            picture,
            {
                "distances": torch.cat([entry["distances"], columns], dim=1) if entry else columns,
                "references": torch.tensor([list(bytes.fromhex(key)) for key in keys], dtype=torch.uint8),
                "grid": torch.tensor(grid),
                "frame": frame.as_tensor(),
            },
        )

    def _read(self, picture: str) -> tuple[list[str], dict[str, Tensor]]:
        entry = self.cache.get(self.kind, picture)
        if not entry:
            return [], {}
        digits = entry["references"].numpy().tobytes().hex()
        return [digits[start : start + 64] for start in range(0, len(digits), 64)], entry
