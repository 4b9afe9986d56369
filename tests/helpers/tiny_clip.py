"""A CLIP of two small transformers with random weights, saved in open_clip's layout."""

from pathlib import Path

import torch

SHAPES = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


def tiny_network(seed: int = 0):
    """open_clip's own network with `SHAPES`. Its layers are large at random, so that each shows in the result."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = open_clip.CLIP(**SHAPES).eval()
        for name, value in network.named_parameters():
            if value.ndim == 1 and ("bias" in name or "ln_" in name):
                value.data += 0.1 * torch.randn(value.shape)
    return network.requires_grad_(False)


def tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """The path of that network's checkpoint, as open_clip's training writes it: wrapped, with a prefix."""
    path = folder / "tiny_clip.pt"
    state = {f"module.{name}": value for name, value in tiny_network(seed).state_dict().items()}
    torch.save({"epoch": 1, "name": "tiny", "state_dict": state}, path)
    return path
