"""What a user chooses for runs besides data, method, shots and seed, and the protocol that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adlib.data import Dataset
from adlib.detectors.registry import default_backbone
from adlib.experiments.planning import Machine, plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices for one run or for all runs of a sweep.

    selection: as in `Protocol`.
    backbone: name of the network; None for the method's own.
    weights: file of the backbone's weights, as in `Machine`.
    device: "cpu" or "cuda"; None for whatever is available.
    resolution: shorter side in pixels; None for the method's own.
    preprocess: AnomalyDINO's and SubspaceAD's mode, as in `method_options`.
    split_seed: the seed that `load_dataset` was given.
    map_frame: as in `Protocol`.
    labelled: number of labelled defects to learn from, as in `Protocol`.
    official: PatchCore or AnomalyDINO with the switches of its official code.
    settings: further parameters of the methods; they override what `method_options` chooses.
    """

    selection: str = "slice"
    backbone: str | None = None
    weights: str | None = None
    device: str | None = None
    resolution: int | None = None
    preprocess: str = "agnostic"
    split_seed: int = 0
    map_frame: str = "original"
    labelled: int = 0
    official: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        """Weights and device of the runs."""
        return Machine(self.weights, self.device)

    def protocol(self, dataset: Dataset, method: str, shots: int | None, seed: int = 0) -> Protocol:
        """The protocol of a run on one category. Raises InputError on invalid choices."""
        backbone = self.backbone or default_backbone(method)
        options = method_options(
            method,
            dataset.name,
            dataset.categories[0],
            backbone,
            resolution=self.resolution,
            preprocess=self.preprocess,
            shots=shots,
            official=self.official,
        )
        return plan(
            dataset,
            method,
            backbone=backbone,
            shots=shots,
            selection=self.selection,
            seed=seed,
            split_seed=self.split_seed,
            map_frame=self.map_frame,
            labelled=self.labelled,
            options=options | dict(self.settings),
            machine=self.machine,
        )
