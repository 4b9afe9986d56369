"""The stages of a convolutional network in sequence: pixels in, one map per stage out.

A frozen backbone consists of them (`backbones.py`), and so does a student that learns to imitate one (chapter 02).
"""

from collections.abc import Sequence

from torch import Tensor, nn

STRIDES = (4, 8, 16)


class Stages(nn.Module):
    """A stem and named stages in sequence.

    stem: modules before the first stage.
    stages: the stages.
    layers: the stages' names, from shallow to deep.
    """

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.stem = stem
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Maps of some layers, computed no deeper than the deepest of them.

        images: (B, 3, H, W), normalised.
        layers: names of stages.
        Returns {layer: (B, C, h, w)}.
        """
        values = self.stem(images)
        deepest = max(self.layers.index(layer) for layer in layers)
        maps = {}
        for layer, stage in zip(self.layers[: deepest + 1], self.stages, strict=False):
            values = stage(values)
            if layer in layers:
                maps[layer] = values
        return maps


def pyramid_layers(network: nn.Module) -> tuple[str, ...]:
    """The deepest layer of a backbone at each of the strides 4, 8 and 16: layers 1, 2 and 3 of a ResNet.

    For a ViT, which has one stride, these are its default layers.
    """
    if network.kind == "vit":
        return tuple(network.default_layers)
    deepest = {network.strides[layer]: layer for layer in network.layers}
    return tuple(deepest[stride] for stride in STRIDES if stride in deepest)
