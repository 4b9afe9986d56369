"""A masked autoencoder as its paper states it, on tensors in the layout of the official checkpoint."""

import math

import torch
import torch.nn.functional as F

from adlib.networks.mae import Shape


def official_layout(shape: Shape) -> dict[str, torch.Tensor]:
    """Random tensors with the names and shapes of facebookresearch/mae's `MaskedAutoencoderViT`."""
    count, values = shape.patches, {"cls_token": (1, 1, shape.width), "mask_token": (1, 1, shape.decoder_width)}
    values |= {"pos_embed": (1, count + 1, shape.width), "decoder_pos_embed": (1, count + 1, shape.decoder_width)}
    values |= {"patch_embed.proj.weight": (shape.width, 3, shape.patch, shape.patch)}
    values |= {"patch_embed.proj.bias": (shape.width,)}
    values |= {"decoder_embed.weight": (shape.decoder_width, shape.width), "decoder_embed.bias": (shape.decoder_width,)}
    pixels = 3 * shape.patch**2
    values |= {"decoder_pred.weight": (pixels, shape.decoder_width), "decoder_pred.bias": (pixels,)}
    for prefix, width, depth in (
        ("", shape.width, shape.depth),
        ("decoder_", shape.decoder_width, shape.decoder_depth),
    ):
        values |= {f"{prefix}norm.weight": (width,), f"{prefix}norm.bias": (width,)}
        for number in range(depth):
            block = f"{prefix}blocks.{number}"
            values |= {f"{block}.norm{n}.{kind}": (width,) for n in (1, 2) for kind in ("weight", "bias")}
            for layer, rows, columns in (
                ("attn.qkv", 3 * width, width),
                ("attn.proj", width, width),
                ("mlp.fc1", 4 * width, width),
                ("mlp.fc2", width, 4 * width),
            ):
                values |= {f"{block}.{layer}.weight": (rows, columns), f"{block}.{layer}.bias": (rows,)}
    chance = torch.Generator().manual_seed(1)
    return {name: 0.3 * torch.randn(size, generator=chance) for name, size in values.items()}


def plain_block(state, block, tokens, heads):
    """A transformer block as the paper's figure has it, one head at a time."""

    def norm(x, n):
        mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        return (x - mean) / (variance + 1e-6).sqrt() * state[f"{block}.norm{n}.weight"] + state[f"{block}.norm{n}.bias"]

    def linear(x, name):
        return x @ state[f"{block}.{name}.weight"].T + state[f"{block}.{name}.bias"]

    query, key, value = linear(norm(tokens, 1), "attn.qkv").chunk(3, dim=1)
    size, out = tokens.shape[1] // heads, []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        weights = torch.softmax(query[:, part] @ key[:, part].T / math.sqrt(size), dim=1)
        out.append(weights @ value[:, part])
    tokens = tokens + linear(torch.cat(out, dim=1), "attn.proj")
    hidden = linear(norm(tokens, 2), "mlp.fc1")
    return tokens + linear(hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2, "mlp.fc2")


def plain_mae(state, image, kept, shape):
    """Predicted patches of one image by an official checkpoint, place by place."""
    pixels = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    tokens = [state["cls_token"][0, 0] + state["pos_embed"][0, 0]]
    for place in kept:
        row, column = divmod(place, shape.rows)
        corner = row * shape.patch, column * shape.patch
        piece = pixels[:, corner[0] : corner[0] + shape.patch, corner[1] : corner[1] + shape.patch]
        value = (state["patch_embed.proj.weight"] * piece).sum(dim=(1, 2, 3)) + state["patch_embed.proj.bias"]
        tokens.append(value + state["pos_embed"][0, 1 + place])
    tokens = torch.stack(tokens)
    for number in range(shape.depth):
        tokens = plain_block(state, f"blocks.{number}", tokens, shape.heads)
    tokens = F.layer_norm(tokens, (shape.width,), state["norm.weight"], state["norm.bias"], 1e-6)
    tokens = tokens @ state["decoder_embed.weight"].T + state["decoder_embed.bias"]
    seen = dict(zip(kept, tokens[1:], strict=True))
    whole = [tokens[0], *(seen.get(place, state["mask_token"][0, 0]) for place in range(shape.patches))]
    tokens = torch.stack(whole) + state["decoder_pos_embed"][0]
    for number in range(shape.decoder_depth):
        tokens = plain_block(state, f"decoder_blocks.{number}", tokens, shape.decoder_heads)
    size, weight, bias = (shape.decoder_width,), state["decoder_norm.weight"], state["decoder_norm.bias"]
    tokens = F.layer_norm(tokens, size, weight, bias, 1e-6)
    return (tokens @ state["decoder_pred.weight"].T + state["decoder_pred.bias"])[1:]
