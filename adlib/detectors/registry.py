"""All detectors by name. To add a method, write its file and add its class below and to `__init__.py`."""

from typing import Any

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.base import Detector, read_model
from adlib.detectors.cflow import CFLOW
from adlib.detectors.deep_svdd import DeepSVDD
from adlib.detectors.devnet import DevNet
from adlib.detectors.draem import DRAEM
from adlib.detectors.fastflow import FastFlow
from adlib.detectors.gaussian import Gaussian
from adlib.detectors.musc import MuSc
from adlib.detectors.padim import PaDiM
from adlib.detectors.patch_svdd import PatchSVDD
from adlib.detectors.patchcore import PatchCore
from adlib.detectors.patchcore_ivfpq import PatchCoreIVFPQ
from adlib.detectors.reverse_distillation import ReverseDistillation
from adlib.detectors.softpatch import SoftPatch
from adlib.detectors.spade import SPADE
from adlib.detectors.stfpm import STFPM
from adlib.detectors.subspacead import SubspaceAD
from adlib.detectors.supersimplenet import SuperSimpleNet
from adlib.detectors.vae import VAE
from adlib.errors import InputError, check_choice

DETECTORS: dict[str, type[Detector]] = {
    cls.name: cls
    for cls in (
        PatchCore,
        AnomalyDINO,
        SubspaceAD,
        SPADE,
        PaDiM,
        PatchCoreIVFPQ,
        SoftPatch,
        Gaussian,
        DeepSVDD,
        PatchSVDD,
        STFPM,
        ReverseDistillation,
        FastFlow,
        CFLOW,
        Autoencoder,
        VAE,
        DRAEM,
        DevNet,
        SuperSimpleNet,
        MuSc,
    )
}


def make_detector(name: str, **parameters: Any) -> Detector:
    """A detector by its name. Raises InputError for an unknown method or parameter."""
    cls = detector_class(name)
    cls.check_names(parameters)
    return cls(**parameters)


def default_backbone(name: str) -> str:
    """The default backbone of a method. Raises InputError for an unknown method."""
    return detector_class(name).parameter_defaults()["backbone"]


def detector_class(name: str) -> type[Detector]:
    """The class of a method. Raises InputError for an unknown method."""
    check_choice("method", name, sorted(DETECTORS))
    return DETECTORS[name]


def load_detector(path: str, weights: str | None = None, device: str | None = None) -> Detector:
    """A detector that `Detector.save` wrote, ready to predict.

    path: the saved file.
    weights: file of the backbone's weights on THIS machine, None to search for it.
    device: where the backbone runs on this machine.
    Raises InputError where the file is damaged, where the method's revision has changed since, and where the backbone's
    weights are not those that the detector was fitted with.
    """
    header, tensors = read_model(path)
    saved, current = header.get("revision", 0), detector_class(header["detector"]).revision
    if saved != current:  # its threshold is one of other scores
        raise InputError(
            f"{path} was saved by revision {saved} of {header['detector']}, and revision {current} of this version of "
            "adlib gives other scores; fit the detector again and save it."
        )
    stored = detector_class(header["detector"]).growth.read(header["parameters"])
    stored = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}  # JSON's
    detector = make_detector(header["detector"], **stored | {"weights": weights, "device": device})
    sha256 = detector.network().weights_sha256
    if sha256 != header["weights_sha256"]:
        raise InputError(
            f"{path} was fitted with {detector.backbone} weights of sha256 {header['weights_sha256'][:12]}..., "
            f"but the weights found here have sha256 {sha256[:12]}...; give the right file with weights=."
        )
    detector._restore(tensors, header["learned"])
    return detector
