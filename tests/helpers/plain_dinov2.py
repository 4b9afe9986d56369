"""DINOv2's forward pass written plainly from the papers, for a checkpoint with the official key layout.

Oquab et al. 2024 (network), Darcet et al. 2024 (registers). One image at a time, no fused kernel; the bicubic
resampling of the position embedding is stated as a matrix of cubic-convolution weights (Keys 1981) per axis.
"""

import math

import torch
from torch import Tensor

NATIVE = 37  # patches per side in pre-training: 518 / 14


def random_checkpoint(dim: int = 384, depth: int = 12, registers: int = 0, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the official names, large enough that every part of the network affects the result."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float, mean: float = 0.0) -> Tensor:
        return mean + scale * torch.randn(*shape, generator=generator)

    state = {
        "cls_token": normal(1, 1, dim, scale=1.0),
        "pos_embed": normal(1, 1 + NATIVE * NATIVE, dim, scale=1.0),
        "mask_token": normal(1, dim, scale=1.0),
        "patch_embed.proj.weight": normal(dim, 3, 14, 14, scale=0.05),
        "patch_embed.proj.bias": normal(dim, scale=0.1),
        "norm.weight": normal(dim, scale=0.2, mean=1.0),
        "norm.bias": normal(dim, scale=0.2),
    }
    if registers:
        state["register_tokens"] = normal(1, registers, dim, scale=1.0)
    shapes = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
    for block in range(depth):
        at = f"blocks.{block}."
        for name, shape in shapes.items():
            state[f"{at}{name}.weight"] = normal(*shape, scale=1.5 / math.sqrt(shape[1]))
            state[f"{at}{name}.bias"] = normal(shape[0], scale=0.1)
        for number in (1, 2):
            state[f"{at}norm{number}.weight"] = normal(dim, scale=0.2, mean=1.0)
            state[f"{at}norm{number}.bias"] = normal(dim, scale=0.2)
            state[f"{at}ls{number}.gamma"] = normal(dim, scale=0.2, mean=0.5)
    return state


def cubic(distance: float, a: float) -> float:
    """Keys' cubic-convolution kernel."""
    x = abs(distance)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * (x**3 - 5 * x**2 + 8 * x - 4)
    return 0.0


def resampling_matrix(have: int, want: int, scale: float, antialias: bool) -> Tensor:
    """(want, have) weights of one axis: half-pixel centres, sample i of the result at (i + 0.5) / scale - 0.5.

    Without antialias: a = -0.75, four neighbours, those outside take the edge's value. With it: a = -0.5, the kernel is
    stretched by 1 / scale when shrinking, neighbours outside are left out and the weights are scaled to sum to 1.
    """
    matrix = torch.zeros(want, have, dtype=torch.float64)
    for i in range(want):
        centre = (i + 0.5) / scale - 0.5
        if antialias:
            stretch = max(1.0, 1.0 / scale)
            for j in range(have):
                matrix[i, j] = cubic((j - centre) / stretch, a=-0.5)
            matrix[i] /= matrix[i].sum()
        else:
            for j in range(math.floor(centre) - 1, math.floor(centre) + 3):
                matrix[i, min(max(j, 0), have - 1)] += cubic(j - centre, a=-0.75)
    return matrix


def resampled_positions(patches: Tensor, rows: int, columns: int, offset: float, antialias: bool) -> Tensor:
    """(37 * 37, C) -> (rows * columns, C): scale = (wanted + offset) / 37 per axis; untouched on the native grid."""
    if rows == columns == NATIVE:
        return patches
    grid = patches.double().reshape(NATIVE, NATIVE, -1)
    down = resampling_matrix(NATIVE, rows, (rows + offset) / NATIVE, antialias)
    across = resampling_matrix(NATIVE, columns, (columns + offset) / NATIVE, antialias)
    return torch.einsum("ij,jkc,lk->ilc", down, grid, across).reshape(rows * columns, -1).float()


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-6) * weight + bias


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def swiglu(x: Tensor, w12: Tensor, b12: Tensor, w3: Tensor, b3: Tensor) -> Tensor:
    """ViT-g's feed-forward part: w3 (silu(w1 x) * (w2 x)), w1 and w2 stacked in `w12`."""
    gate, value = (x @ w12.T + b12).chunk(2, dim=-1)
    return (gate / (1 + torch.exp(-gate)) * value) @ w3.T + b3


def patch_tokens(state: dict[str, Tensor], image: Tensor, heads: int = 6, head_dim: int = 64) -> dict[str, Tensor]:
    """Patch tokens of one normalised (3, H, W) image: {"block<n>": (C, h, w), ..., "norm": (C, h, w)}."""
    registers = state.get("register_tokens", torch.zeros(1, 0, heads * head_dim))[0]
    # As published: the networks with registers have no offset, and antialiasing instead.
    rule = {"offset": 0.0, "antialias": True} if len(registers) else {"offset": 0.1, "antialias": False}
    rows, columns = image.shape[1] // 14, image.shape[2] // 14
    cut = image.reshape(3, rows, 14, columns, 14).permute(1, 3, 0, 2, 4).reshape(rows * columns, 3 * 14 * 14)
    x = cut @ state["patch_embed.proj.weight"].flatten(1).T + state["patch_embed.proj.bias"]
    positions = state["pos_embed"][0]
    x = x + resampled_positions(positions[1:], rows, columns, **rule)
    x = torch.cat([state["cls_token"][0] + positions[:1], registers, x])
    first_patch = 1 + len(registers)
    result = {}

    def keep(name: str, tokens: Tensor) -> None:
        result[name] = tokens[first_patch:].T.reshape(-1, rows, columns)

    depth = sum(key.endswith("attn.qkv.weight") for key in state)
    for block in range(depth):
        w = {key.removeprefix(f"blocks.{block}."): value for key, value in state.items()}
        y = layer_norm(x, w["norm1.weight"], w["norm1.bias"]) @ w["attn.qkv.weight"].T + w["attn.qkv.bias"]
        q, k, v = y.reshape(len(x), 3, heads, head_dim).permute(1, 2, 0, 3)
        attention = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(head_dim), dim=-1)
        y = (attention @ v).transpose(0, 1).reshape(len(x), heads * head_dim)
        x = x + w["ls1.gamma"] * (y @ w["attn.proj.weight"].T + w["attn.proj.bias"])
        y = layer_norm(x, w["norm2.weight"], w["norm2.bias"])
        y = gelu(y @ w["mlp.fc1.weight"].T + w["mlp.fc1.bias"]) @ w["mlp.fc2.weight"].T + w["mlp.fc2.bias"]
        x = x + w["ls2.gamma"] * y
        keep(f"block{block + 1}", x)
    keep("norm", layer_norm(x, state["norm.weight"], state["norm.bias"]))
    return result
