"""The image itself as a feature map, for methods without a pretrained network.

`extract` gives the layer "pixels" of any backbone: (3, h, w) RGB in [0, 1], the network's input before normalisation.
`Pixels` is a backbone with that layer alone (chapters 07 and 08).
"""

import torch

PIXELS = "pixels"


class Pixels(torch.nn.Module):
    """The interface of a `Backbone` without a network; there are no weights, so their sha256 is empty."""

    name = PIXELS
    kind = "pixels"
    layers = default_layers = (PIXELS,)
    patch_multiple = 1
    precision = "float32"
    weights_sha256 = ""
    weights_source = "none"

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.strides, self.dims = {PIXELS: 1}, {PIXELS: 3}
        self.device = device
