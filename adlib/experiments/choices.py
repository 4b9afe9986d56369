"""What a user chooses for runs beside data, method, shots and seed, and the protocol that follows from it."""

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
    """The same for one run and for a sweep of many; as in `plan` and `method_options`.

    backbone: None for the method's own; weights, device: see `Machine`; settings: more parameters of the methods,
    which win over what `method_options` chooses.
    """

    selection: str = "slice"
    backbone: str | None = None
    weights: str | None = None
    device: str | None = None
    resolution: int | None = None
    preprocess: str = "agnostic"
    split_seed: int = 0
    map_frame: str = "original"
    official: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        """Where it runs."""
        return Machine(self.weights, self.device)

    def protocol(self, dataset: Dataset, method: str, shots: int | None, seed: int = 0) -> Protocol:
        """The protocol of a run on one category. Raises InputError on anything that it cannot mean."""
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
            options=options | dict(self.settings),
            machine=self.machine,
        )
