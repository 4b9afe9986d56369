"""The stages of a convolutional network, one after the other: pixels in, a map a stage out.

A frozen backbone is made of them (`backbones.py`), and so is a student that learns to answer like one (chapter 02).
"""

from collections.abc import Sequence

from torch import Tensor, nn

STRIDES = (4, 8, 16)


class Stages(nn.Module):
    """A stem and named stages behind each other. layers: the stages' names, from shallow to deep."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.stem = stem
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Maps (B, C, h, w) of some layers, computed no deeper than the deepest of them. images: normalised."""
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

    A ViT has one stride and gives its default layers.
    """
    if network.kind == "vit":
        return tuple(network.default_layers)
    deepest = {network.strides[layer]: layer for layer in network.layers}
    return tuple(deepest[stride] for stride in STRIDES if stride in deepest)
