"""Networks that several detectors train: what they are made of, apart from what they are trained for."""

from adlib.networks.coupling import Coupling, Flow, convolutions, dense, standard_normal
from adlib.networks.ssim import ssim_map
from adlib.networks.unet import Hourglass

__all__ = [
    "Coupling",
    "Flow",
    "Hourglass",
    "convolutions",
    "dense",
    "ssim_map",
    "standard_normal",
]
