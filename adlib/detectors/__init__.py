"""All detectors: one file per method, one interface for all (`base.py`); `BTF` is for point clouds."""

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.base import Detector, Predictions
from adlib.detectors.btf import BTF, CloudPredictions
from adlib.detectors.cflow import CFLOW
from adlib.detectors.cutpaste import CutPaste
from adlib.detectors.deep_svdd import DeepSVDD
from adlib.detectors.devnet import DevNet
from adlib.detectors.draem import DRAEM
from adlib.detectors.fastflow import FastFlow
from adlib.detectors.gaussian import Gaussian
from adlib.detectors.maeday import MAEDAY
from adlib.detectors.musc import MuSc
from adlib.detectors.npad import NPad
from adlib.detectors.padim import PaDiM
from adlib.detectors.patch_svdd import PatchSVDD
from adlib.detectors.patchcore import PatchCore
from adlib.detectors.patchcore_ivfpq import PatchCoreIVFPQ
from adlib.detectors.rad import RAD
from adlib.detectors.registry import (
    CLOUD_DETECTORS,
    DETECTORS,
    default_backbone,
    load_cloud_detector,
    load_detector,
    make_detector,
)
from adlib.detectors.reverse_distillation import ReverseDistillation
from adlib.detectors.softpatch import SoftPatch
from adlib.detectors.spade import SPADE
from adlib.detectors.stfpm import STFPM
from adlib.detectors.subspacead import SubspaceAD
from adlib.detectors.supersimplenet import SuperSimpleNet
from adlib.detectors.suspects import score_drop_refit, suspicion
from adlib.detectors.vae import VAE
from adlib.detectors.winclip import WinCLIP

__all__ = [
    "AnomalyDINO",
    "Autoencoder",
    "BTF",
    "CFLOW",
    "CLOUD_DETECTORS",
    "CloudPredictions",
    "CutPaste",
    "DETECTORS",
    "DRAEM",
    "DeepSVDD",
    "DevNet",
    "Detector",
    "FastFlow",
    "Gaussian",
    "MAEDAY",
    "MuSc",
    "NPad",
    "PaDiM",
    "PatchCore",
    "PatchCoreIVFPQ",
    "PatchSVDD",
    "Predictions",
    "RAD",
    "ReverseDistillation",
    "SPADE",
    "STFPM",
    "SoftPatch",
    "SubspaceAD",
    "SuperSimpleNet",
    "VAE",
    "WinCLIP",
    "default_backbone",
    "load_cloud_detector",
    "load_detector",
    "make_detector",
    "score_drop_refit",
    "suspicion",
]
