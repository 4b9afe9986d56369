"""All detectors by name. To add a method, write its file and add its class below and to `__init__.py`.

`DETECTORS` take images: the command line and the common test run over them. `CLOUD_DETECTORS` take point clouds; their
common test is tests/detectors/test_btf.py.
"""

from collections.abc import Mapping
from typing import Any

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.base import Detector, read_model
from adlib.detectors.btf import BTF
from adlib.detectors.cflow import CFLOW
from adlib.detectors.cutpaste import CutPaste
from adlib.detectors.deep_svdd import DeepSVDD
from adlib.detectors.devnet import DevNet
from adlib.detectors.draem import DRAEM
from adlib.detectors.fastflow import FastFlow
from adlib.detectors.gaussian import Gaussian
from adlib.detectors.learner import Learner
from adlib.detectors.maeday import MAEDAY
from adlib.detectors.musc import MuSc
from adlib.detectors.npad import NPad
from adlib.detectors.padim import PaDiM
from adlib.detectors.patch_svdd import PatchSVDD
from adlib.detectors.patchcore import PatchCore
from adlib.detectors.patchcore_ivfpq import PatchCoreIVFPQ
from adlib.detectors.rad import RAD
from adlib.detectors.reverse_distillation import ReverseDistillation
from adlib.detectors.softpatch import SoftPatch
from adlib.detectors.spade import SPADE
from adlib.detectors.stfpm import STFPM
from adlib.detectors.subspacead import SubspaceAD
from adlib.detectors.supersimplenet import SuperSimpleNet
from adlib.detectors.vae import VAE
from adlib.detectors.winclip import WinCLIP
from adlib.errors import InputError, check_choice

DETECTORS: dict[str, type[Detector]] = {
    cls.name: cls
    for cls in (
        PatchCore,
        AnomalyDINO,
        SubspaceAD,
        RAD,
        NPad,
        SPADE,
        PaDiM,
        PatchCoreIVFPQ,
        SoftPatch,
        Gaussian,
        DeepSVDD,
        PatchSVDD,
        CutPaste,
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
        WinCLIP,
        MAEDAY,
    )
}

CLOUD_DETECTORS: dict[str, type[Learner]] = {cls.name: cls for cls in (BTF,)}


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
    """A detector of images that `Detector.save` wrote, ready to predict.

    path: the saved file.
    weights: file of the backbone's weights on THIS machine, None to search for it.
    device: where the backbone runs on this machine.
    Raises InputError where the file is damaged, where it holds a detector of clouds, where the method's revision has
    changed since, and where the backbone's weights are not those that the detector was fitted with.
    """
    return _load(path, DETECTORS, weights, device)


def load_cloud_detector(path: str, weights: str | None = None, device: str | None = None) -> BTF:
    """A detector of point clouds that `save` wrote, ready to predict; see `load_detector`."""
    return _load(path, CLOUD_DETECTORS, weights, device)


def _load(path: str, methods: Mapping[str, type[Learner]], weights: str | None, device: str | None) -> Learner:
    header, tensors = read_model(path)
    name = header["detector"]
    if name not in methods and name in DETECTORS | CLOUD_DETECTORS:
        reader = "load_cloud_detector" if name in CLOUD_DETECTORS else "load_detector"
        raise InputError(f"{path} holds {name}, which scores {_class(name).takes}; read it with {reader}.")
    cls = _class(name)
    saved = header.get("revision", 0)
    if saved != cls.revision:  # its threshold is one of other scores
        raise InputError(
            f"{path} was saved by revision {saved} of {name}, and revision {cls.revision} of this version of "
            "adlib gives other scores; fit the detector again and save it."
        )
    stored = cls.growth.read(header["parameters"])
    stored = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}  # JSON's
    cls.check_names(stored)
    detector = cls(**stored | {"weights": weights, "device": device})
    sha256 = detector.weights_sha256()
    if sha256 != header["weights_sha256"]:
        raise InputError(
            f"{path} was fitted with {detector.backbone} weights of sha256 {header['weights_sha256'][:12]}..., "
            f"but the weights found here have sha256 {sha256[:12]}...; give the right file with weights=."
        )
    detector._restore(tensors, header["learned"])
    return detector


def _class(name: str) -> type[Learner]:
    return CLOUD_DETECTORS[name] if name in CLOUD_DETECTORS else detector_class(name)
