"""CLIP by open_clip: loading, refusals, and every vector against a plain statement on random weights."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from adlib.errors import InputError
from adlib.features.backbones import load_backbone
from adlib.features.clip import CLIP_NETWORKS, shapes_of
from adlib.features.clip import SHAPES as clip_shapes
from adlib.features.weights import find_weights
from helpers import plain_winclip
from helpers.tiny_clip import SHAPES, tiny_checkpoint, tiny_network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    return tiny_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(checkpoint):
    return load_backbone("clip_file", weights=checkpoint, device="cpu")


def test_every_vector_of_an_image_equals_the_masked_transformer(clip):
    images = torch.stack(plain_winclip.pictures())
    found = clip(images)
    network = tiny_network()
    for number, image in enumerate(images):
        with torch.no_grad():
            plain = plain_winclip.image_vectors(network, image)
        for layer, expected in plain.items():
            ours = found[layer][number].permute(1, 2, 0).numpy()
            assert ours.shape == expected.shape and np.allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_the_layers_say_their_shapes(clip):
    found = clip(torch.rand(2, 3, 64, 64), ["patches", "windows3"])
    assert list(found) == ["patches", "windows3"] and clip.grid == (4, 4)
    assert found["patches"].shape == (2, clip.dims["patches"], 4, 4) == (2, 64, 4, 4)
    assert found["windows3"].shape == (2, clip.dims["windows3"], 2, 2) == (2, 32, 2, 2)


def test_sentences_equal_open_clips_one_by_one(clip):
    import open_clip

    prompts = ["a photo of a nut.", "A photo of a FLAWLESS nut for visual inspection."]
    found, network, tokenizer = clip.sentences(prompts), tiny_network(), open_clip.SimpleTokenizer()
    assert tokenizer(["a photo of a cat"])[0, :7].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]  # as OpenAI's
    for vector, prompt in zip(found, prompts, strict=True):
        expected = network.encode_text(tokenizer([prompt]), normalize=True)[0]
        torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)
    assert clip.sentences(prompts) is found  # kept: calibration fits again and again


def test_a_sentence_that_would_be_cut_is_refused(clip):
    with pytest.raises(InputError, match="reads 77 tokens, too few for 'nut nut.*shorter object_name"):
        clip.sentences(["nut " * 100])


def test_bfloat16_is_close_and_returns_float32(clip, checkpoint):
    low = load_backbone("clip_file", weights=checkpoint, device="cpu", precision="bfloat16")
    images = torch.stack(plain_winclip.pictures())
    for layer, values in low(images).items():
        assert values.dtype == torch.float32
        assert (values - clip(images)[layer]).abs().mean() < 0.02 * values.abs().mean() + 0.02


def test_plain_and_safetensors_files_load_alike(clip, tmp_path):
    state = tiny_network().state_dict()
    torch.save(state, tmp_path / "plain.pt")
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "plain.safetensors")
    image = torch.rand(1, 3, 64, 64)
    for name in ("plain.pt", "plain.safetensors"):
        again = load_backbone("clip_file", weights=tmp_path / name, device="cpu")
        assert torch.equal(again(image)["image"], clip(image)["image"])
        assert again.weights_sha256 != clip.weights_sha256


def test_loading_leaves_the_random_state_alone(checkpoint):
    before = torch.random.get_rng_state()
    load_backbone("clip_file", weights=checkpoint, device="cpu")
    assert torch.equal(before, torch.random.get_rng_state())


def test_shapes_are_read_from_the_checkpoint():
    pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    assert shapes_of(tiny_network().state_dict(), "x") == SHAPES


def test_the_papers_network_has_the_shapes_that_open_clip_states():
    """Its configuration there, and its shapes as read from a checkpoint without values."""
    open_clip = pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    stated = open_clip.get_model_config("ViT-B-16-plus-240")
    assert clip_shapes == {"clip_vitb16_plus_240": stated}
    with torch.device("meta"):
        network = open_clip.CLIP(**stated)
    assert shapes_of(network.state_dict(), "x") == stated
    tag = open_clip.get_pretrained_cfg("ViT-B-16-plus-240", "laion400m_e31")
    published = CLIP_NETWORKS["clip_vitb16_plus_240"]
    assert (published.url, published.hub_repository + "/") == (tag["url"], tag["hf_hub"])
    assert published.hub_file == open_clip.constants.HF_SAFE_WEIGHTS_NAME
    assert published.sha256 == published.url.rpartition("-")[2].removesuffix(".pt")


# ---- refusals


def test_other_sizes_and_layers_are_refused(clip):
    with pytest.raises(InputError, match="takes images of 64 x 64 pixels, not .*resize=64 and aspect=square"):
        clip(torch.rand(1, 3, 96, 64))
    with pytest.raises(InputError, match="no layers .*layer9"):
        clip(torch.rand(1, 3, 64, 64), ["layer9"])


def test_another_networks_file_is_named(checkpoint, tmp_path):
    with pytest.raises(InputError, match="tiny_clip.pt is another network's file: clip_vitb16_plus_240 is"):
        load_backbone("clip_vitb16_plus_240", weights=checkpoint)
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="other.pt is not a CLIP with a vision transformer"):
        load_backbone("clip_file", weights=tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(InputError, match="text.pt is not a checkpoint of tensors"):
        load_backbone("clip_file", weights=tmp_path / "text.pt")
    state = tiny_network().state_dict()
    del state["ln_final.bias"]
    torch.save(state, tmp_path / "part.pt")
    with pytest.raises(InputError, match="part.pt is not a CLIP in open_clip's layout: .*ln_final.bias"):
        load_backbone("clip_file", weights=tmp_path / "part.pt")


def test_a_file_network_needs_a_file(clip, monkeypatch):
    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    with pytest.raises(InputError, match="clip_file takes its network from a checkpoint; give its path as weights="):
        load_backbone("clip_file")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match=r"needs the package open_clip; run pip install 'adlib\[clip\]'"):
        load_backbone("clip_vitb16_plus_240")


def test_missing_weights_name_file_address_digest_and_ways(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(InputError) as error:
        find_weights(CLIP_NETWORKS["clip_vitb16_plus_240"])
    for words in ("laion400m_e31-8fb26589.pt", "https://github.com/mlfoundations", "sha256 8fb26589...", "--weights"):
        assert words in str(error.value)
    assert "$ADLIB_WEIGHTS" in str(error.value)


def test_the_weights_folder_knows_the_official_names(monkeypatch, tmp_path):
    monkeypatch.setenv("ADLIB_WEIGHTS", str(tmp_path))
    place = tmp_path / "vit_base_patch16_plus_clip_240.laion400m_e31/open_clip_model.safetensors"
    place.parent.mkdir()
    place.write_bytes(b"x")
    assert find_weights(CLIP_NETWORKS["clip_vitb16_plus_240"]).path == place
