"""Building blocks of the networks that several detectors train."""

from adlib.networks.coupling import Coupling, Flow, convolutions, dense, standard_normal
from adlib.networks.ssim import ssim_map
from adlib.networks.standardised import Standardised
from adlib.networks.unet import Hourglass

__all__ = [
    "Coupling",
    "Flow",
    "Hourglass",
    "Standardised",
    "convolutions",
    "dense",
    "ssim_map",
    "standard_normal",
]
