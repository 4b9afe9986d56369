"""Reading ONNX files: the names that the export took away, and the tokens of the packaged network."""

import json
import sys
from pathlib import Path

import pytest
import skimage.data
import timm
import torch

from adlib.errors import InputError
from adlib.features.backbones import _SPECS, load_backbone
from adlib.features.onnx_file import original_names, read_onnx
from adlib.features.weights import find_weights, read_checkpoint, to_timm_layout
from helpers import plain_dinov2

TOKENS = Path(__file__).parent / "saliency_tokens.json"  # written by benchmarks/saliency_tokens.py


def hugging_face(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Official DINOv2 names to Hugging Face's, written from its list of modules."""
    renamed = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.mask_token": state["mask_token"],
        "embeddings.position_embeddings": state["pos_embed"],
    }
    for part in ("weight", "bias"):
        renamed[f"embeddings.patch_embeddings.projection.{part}"] = state[f"patch_embed.proj.{part}"]
        renamed[f"layernorm.{part}"] = state[f"norm.{part}"]
        for number in range(12):
            ours, theirs = f"blocks.{number}.", f"encoder.layer.{number}."
            for name, value in zip(("query", "key", "value"), state[f"{ours}attn.qkv.{part}"].split(384), strict=True):
                renamed[f"{theirs}attention.attention.{name}.{part}"] = value
            renamed[f"{theirs}attention.output.dense.{part}"] = state[f"{ours}attn.proj.{part}"]
            for same in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                renamed[f"{theirs}{same}.{part}"] = state[f"{ours}{same}.{part}"]
    for number in range(12):
        for scale in (1, 2):
            gamma = state[f"blocks.{number}.ls{scale}.gamma"]
            renamed[f"encoder.layer.{number}.layer_scale{scale}.lambda1"] = gamma
    return renamed


def exported(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list]:
    """Hugging Face tensors as an export folds them, under a prefix and beside another decoder."""
    tensors, nodes = {"decoder.final_conv.bias": torch.zeros(1)}, []

    def fold(operator: str, module: str, value: torch.Tensor) -> None:
        name = f"onnx::{operator}_{len(tensors)}"
        tensors[name] = value
        nodes.append((operator, f"/backbone/{module.replace('.', '/')}/{operator}_6", ("/input", name)))

    for key, value in state.items():
        if key.endswith("position_embeddings"):
            fold("Reshape", "embeddings", value[:, 1:])
            fold("Concat", "embeddings", value[:, :1])
        elif value.ndim == 2 and key.endswith(".weight"):
            fold("MatMul", key.removesuffix(".weight"), value.T.contiguous())
        elif not key.endswith("mask_token"):
            tensors[f"backbone.{key}"] = value
    nodes.append(("Add", "/backbone/embeddings/Add", ("/embeddings", "onnx::of_no_tensor")))
    return tensors, nodes


@pytest.fixture(scope="module")
def official():
    return plain_dinov2.random_checkpoint()


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_hugging_faces_dinov2_becomes_the_official_one(official):
    assert_same(to_timm_layout(hugging_face(official), {}, "file"), to_timm_layout(dict(official), {}, "file"))


def test_an_exports_folded_tensors_get_their_names_back(official):
    named = original_names(*exported(hugging_face(official)))
    assert_same(to_timm_layout(named, {}, "file"), to_timm_layout(dict(official), {}, "file"))


def test_without_the_package_onnx_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"net.onnx needs the package onnx; run pip install 'adlib\[dinov2\]'"):
        read_checkpoint(tmp_path / "net.onnx")


def test_a_damaged_onnx_file_is_named(tmp_path):
    pytest.importorskip("onnx", reason="needs the extra dinov2")
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match="net.onnx is not a complete checkpoint"):
        read_checkpoint(path)


def packaged() -> Path:
    pytest.importorskip("onnx", reason="needs the extra dinov2")
    try:
        return find_weights(_SPECS["dinov2_vits14_saliency"].published).path
    except InputError as error:
        pytest.skip(str(error))


def test_the_packages_file_is_complete():
    state = to_timm_layout(read_onnx(packaged()), {}, "file")
    with torch.device("meta"):
        reference = timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in reference.items()}


def test_tokens_equal_those_of_onnxruntime():
    packaged()
    stored = json.loads(TOKENS.read_text(encoding="utf-8"))
    image = torch.from_numpy(skimage.data.coffee()[:224, 100:324].copy()).permute(2, 0, 1)[None].float() / 255
    maps = load_backbone("dinov2_vits14_saliency", device="cpu")(image, list(stored))
    for layer, expected in stored.items():
        found = maps[layer][0].flatten(1).T[::51, ::48]
        torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-4)
