"""PatchCore on a compressed bank: IVFPQ, the approximate search of the paper's table 5 (chapter 20).

IVF (inverted file): k-means divides the bank into lists, and a query searches only the nearest lists. PQ (product
quantisation, Jégou et al. 2011): the residual of an entry from its list's centre is cut into pieces, and each piece is
stored as the index of the nearest codebook entry. A patch of 384 floats becomes a few dozen bytes; distances are to the
decoded bytes. The search is by faiss (Douze et al. 2024), an optional extra.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adlib.detectors.patchcore import PatchCore
from adlib.detectors.scores import reweighted
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures


@dataclass(kw_only=True, eq=False, repr=False)
class PatchCoreIVFPQ(PatchCore):
    """PatchCore with a bank compressed to a few dozen bytes per patch and searched approximately.

    The coreset, if any, is chosen before. The official code's approximate search has 512 lists, 1 probe, 64 pieces and
    8 bits, but no published number is stated to use it.

    lists: of the inverted file.
    probes: lists that a query searches.
    subquantizers: pieces that a patch is cut into, a divisor of its length.
    bits: of the index of a piece.
    `fit` raises InputError without faiss, and where the bank has fewer patches than lists or codebook entries.
    """

    name: ClassVar[str] = "patchcore_ivfpq"
    chapter: ClassVar[str] = "20"

    lists: int = 64
    probes: int = 8
    subquantizers: int = 8
    bits: int = 8

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Train `index_` on the bank and keep only the codes `bank_` (M, bytes), uint8."""
        super()._learn(features, views, show_progress)
        bank = _array(self.bank_)
        self.index_ = self._trained(bank)
        self.index_.add(bank)
        self.bank_ = torch.from_numpy(self.index_.sa_encode(bank))

    def _trained(self, bank: np.ndarray) -> Any:
        count, dims = bank.shape
        if dims % self.subquantizers:
            raise InputError(f"subquantizers must divide the {dims} values of a patch; {self.subquantizers} do not.")
        if count < max(self.lists, 2**self.bits):
            raise InputError(
                f"The bank has {count} patches, too few for {self.lists} lists and {2**self.bits} codebook entries; "
                "take a larger coreset, fewer lists or fewer bits."
            )
        faiss = _faiss()
        index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dims), dims, self.lists, self.subquantizers, self.bits)
        index.nprobe = self.probes
        for kmeans in (index.cp, index.pq.cp):
            kmeans.seed = self.seed
            kmeans.min_points_per_centroid = 1  # faiss would print a warning below 39
        index.train(bank)
        return index

    def _search(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Distances (P, k) to the nearest decoded entries that were found, ascending, and the indices (P, k)."""
        queries = _array(vectors)
        squared, found = self.index_.search(queries, k)
        short = (found < 0).any(axis=1)  # the probed lists hold fewer than k entries
        if short.any():
            everywhere = _faiss().SearchParametersIVF(nprobe=self.lists)
            squared[short], found[short] = self.index_.search(queries[short], k, params=everywhere)
        return torch.from_numpy(np.sqrt(np.maximum(squared, 0))), torch.from_numpy(found)

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "ONNX has no operator for FAISS's search; fit patchcore"

    def _reweight(self, score: Tensor, vectors: Tensor, distances: Tensor, entries: Tensor) -> Tensor:
        farthest = int(distances.argmax())
        nearest_entry = self._decoded(entries[farthest][None])
        _, around = self._search(nearest_entry, min(self.reweight, len(self.bank_)))
        # The search may miss the entry itself; eq. 7 counts it among its own neighbours.
        others = around[0][around[0] != entries[farthest]][: around.shape[1] - 1]
        neighbours = torch.cat([nearest_entry, self._decoded(others)])
        to_neighbours = torch.linalg.vector_norm(neighbours - vectors[farthest].cpu(), dim=1)
        return reweighted(score, to_neighbours[0], to_neighbours)

    def _decoded(self, entries: Tensor) -> Tensor:
        return torch.from_numpy(self.index_.sa_decode(_array(self.bank_)[entries.numpy()]))

    def _learned(self) -> dict[str, Any]:
        learned = super()._learned()
        if "index_" in learned:
            learned["index_"] = torch.from_numpy(_faiss().serialize_index(self.index_))
        return learned

    def _restore(self, tensors: dict[str, Tensor], learned: dict[str, Any]) -> None:
        stored = _array(tensors["index_"])
        super()._restore({name: value for name, value in tensors.items() if name != "index_"}, learned)
        try:
            self.index_ = _faiss().deserialize_index(stored)
        except RuntimeError as error:
            raise InputError("The stored IVFPQ index is damaged; fit the detector again and save it.") from error

    def _check(self) -> None:
        super()._check()
        for name in ("lists", "probes", "subquantizers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.probes > self.lists:
            raise InputError(f"probes ({self.probes}) cannot be more than lists ({self.lists}).")
        if not 1 <= self.bits <= 8:
            raise InputError(f"bits must be between 1 and 8, not {self.bits}.")
        _faiss()


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().cpu().numpy())


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError("patchcore_ivfpq searches with faiss, which is missing; run: pip install faiss-cpu") from error
    faiss.omp_set_num_threads(1)  # one core per image already; and sums then do not depend on the number of cores
    return faiss
