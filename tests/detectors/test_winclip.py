"""WinCLIP against a plain statement: every sentence, window, patch and reference, one at a time."""

import json

import numpy as np
import pytest
import torch

from adlib.cli import main
from adlib.detectors.prompts import ANOMALOUS_STATES, NORMAL_STATES, TEMPLATES, prompt_ensemble
from adlib.detectors.registry import load_detector
from adlib.detectors.winclip import WinCLIP, association, damaged_probability
from adlib.errors import InputError
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.patches import Frame
from helpers import plain_winclip
from helpers.tiny_clip import tiny_checkpoint

FRAME = Frame((64, 64), (64, 64), 0, 0, (64, 64), False)


@pytest.fixture(scope="module")
def stored() -> dict:
    """Vectors that open_clip computed, and what follows from them."""
    return json.loads(plain_winclip.STORED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def features(stored) -> list[ImageFeatures]:
    """Two references, then an image with a bright square."""
    maps = [{k: torch.tensor(v).permute(2, 0, 1) for k, v in one.items()} for one in stored["vectors"]]
    return [ImageFeatures(one, FRAME, str(number), str(number)) for number, one in enumerate(maps)]


class Reads:
    """The part of a CLIP that a detector asks for, with stored sentences."""

    layers = ("image", "windows2", "windows3", "patches")
    device = torch.device("cpu")

    def __init__(self, text: list) -> None:
        self.text = dict(zip(map(tuple, prompt_ensemble("metal nut")), torch.tensor(text), strict=True))

    def sentences(self, sentences: list[str]) -> torch.Tensor:
        return self.text[tuple(sentences)].expand(len(sentences), -1)


@pytest.fixture
def detector(stored, monkeypatch) -> WinCLIP:
    """A detector on stored vectors: no open_clip, no network."""
    monkeypatch.setattr(WinCLIP, "network", lambda self: Reads(stored["text"]))
    return WinCLIP(object_name=stored["object"], temperature=stored["temperature"])


# ---- without open_clip


def test_the_prompts_are_the_papers_list():
    normal, damaged = prompt_ensemble("metal nut")
    assert (len(NORMAL_STATES), len(ANOMALOUS_STATES), len(TEMPLATES)) == (7, 4, 22)
    assert sorted(normal) == sorted(plain_winclip.sentences(plain_winclip.NORMAL, "metal nut"))
    assert sorted(damaged) == sorted(plain_winclip.sentences(plain_winclip.DAMAGED, "metal nut"))
    assert "a photo of the metal nut." in normal and len(set(normal)) == 154
    assert "a dark photo of the metal nut with defect." in damaged and len(set(damaged)) == 88


def test_zero_shot_equals_the_stored_scores(detector, features, stored):
    detector._read_sentences()
    detector.references_ = 0
    score, grid = detector._score(features[-1])
    assert score.item() == pytest.approx(stored["zero_shot"]["score"], rel=1e-4)
    assert np.allclose(grid, stored["zero_shot"]["map"], rtol=1e-4)


def test_few_shot_equals_the_stored_scores(detector, features, stored):
    detector._learn(iter(features[:2]), 2, False)
    score, grid = detector._score(features[-1])
    assert score.item() == pytest.approx(stored["few_shot"]["score"], rel=1e-4)
    assert np.allclose(grid, stored["few_shot"]["map"], rtol=1e-4)


def test_references_find_the_square(detector, features):
    """Of random weights too, since a distance to good images needs no sentence."""
    detector._learn(iter(features[:2]), 2, False)
    away = detector._by_references(features[-1])
    assert away.argmax() in (2 * 4 + 1, 1 * 4 + 1) and detector._by_references(features[0]).max() < 1e-6


def test_scales_can_be_left_out(detector, features):
    detector.layers = ("image", "patches")
    detector._learn(iter(features[:2]), 2, False)
    score, grid = detector._score(features[-1])
    alone = damaged_probability(features[-1].maps["image"], detector.text_, detector.temperature)
    away = association(features[-1].maps["patches"], detector.bank_patches_)
    assert torch.allclose(grid, (alone + away) / 2) and score == (alone[0, 0] + away.max()) / 2


def test_the_probability_is_a_softmax_over_two():
    vectors = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))
    text = torch.nn.functional.normalize(torch.randn(2, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    for y in range(3):
        for x in range(4):
            expected = plain_winclip.damaged(vectors[:, y, x].double().numpy(), text.double().numpy(), 0.07)
            assert damaged_probability(vectors, text, 0.07)[y, x] == pytest.approx(expected, rel=1e-5)


def test_a_certain_window_does_not_break_the_harmonic_mean():
    text = torch.eye(2)
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        found = damaged_probability(torch.tensor(vector).view(2, 1, 1), text, 1e-3)
        assert torch.isfinite(found.reciprocal()).all() and 0 < found.item() <= 1


def test_invalid_parameters_are_refused(detector):
    for changed, words in (
        ({"object_name": " "}, "object_name .* cannot be empty"),
        ({"temperature": 0.0}, "temperature .* above 0"),
        ({"layers": ("windows2",)}, "takes the layer image of CLIP"),
        ({"layers": ("image",)}, "nothing to compare"),
    ):
        with pytest.raises(InputError, match=words):
            made = WinCLIP(**changed)
            made._check()
            made._layers()
            made._learn(iter(()), 1, False)


# ---- with open_clip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    """Parameters of a detector on a made-up checkpoint in open_clip's layout."""
    pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    path = tiny_checkpoint(tmp_path_factory.mktemp("clip"))
    return {"backbone": "clip_file", "weights": str(path), "resize": 64, "device": "cpu", "object_name": "metal nut"}


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [(255 * one.permute(1, 2, 0)).round().to(torch.uint8).numpy() for one in plain_winclip.pictures()]


def close(found, expected) -> bool:
    """Equal but for the last digit, which is rounded."""
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(close(found[key], expected[key]) for key in found)
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    return found == expected if isinstance(found, str) else found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_stored_vectors_are_what_open_clip_gives(stored):
    pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    assert close(plain_winclip.cases(), stored)


def test_zero_shot_needs_one_image_and_no_good_one(made, images, tmp_path):
    detector = WinCLIP(**made, temperature=0.05)
    alone, together = detector.fit_predict(images[2:]), detector.fit_predict(images)
    assert alone.scores[0] == pytest.approx(together.scores[2], rel=1e-5)
    network = plain_winclip.tiny_network()
    pixels = torch.from_numpy(images[2]).permute(2, 0, 1).float() / 255
    import open_clip

    with torch.no_grad():
        text = plain_winclip.text_vectors(network, open_clip.SimpleTokenizer(), "metal nut")
        score, grid = plain_winclip.zero_shot(plain_winclip.image_vectors(network, pixels), text, 0.05)
    assert alone.scores[0] == pytest.approx(score, rel=1e-3) and np.allclose(alone.grids[0], grid, rtol=1e-3)
    detector.save(tmp_path / "model")
    loaded = load_detector(tmp_path / "model", weights=made["weights"])
    assert np.array_equal(loaded.predict(images).scores, together.scores)


def test_zero_shot_after_a_fit_forgets_the_references(made, images):
    detector = WinCLIP(**made).fit(images[:2])
    assert detector.references_ == 2 and len(detector.bank_windows2_) == 2 * 9
    detector.fit_predict(images)
    assert detector.references_ == 0 and len(detector.learned_tensors()) == 1


def test_another_object_is_another_detector_on_the_same_features(made, images, tmp_path):
    cache = TensorCache(tmp_path)
    nut = WinCLIP(**made).fit_predict(images, cache).scores
    wood = WinCLIP(**made | {"object_name": "wood"}).fit_predict(images, cache).scores
    assert not np.allclose(nut, wood)


def test_another_backbone_is_refused(images):
    with pytest.raises(InputError, match="not image, windows2, windows3, patches of efficientnet_lite0"):
        WinCLIP(backbone="efficientnet_lite0").fit(images)
    with pytest.raises(InputError, match="of efficientnet_lite0"):
        WinCLIP(backbone="efficientnet_lite0").fit_predict(images)


def test_the_command_line_writes_the_category_into_the_sentences(made, toy_root, tmp_path, capsys):
    words = ["run", "--data", str(toy_root), "--category", "nut", "--method", "winclip", "--backbone", "clip_file"]
    words += ["--weights", made["weights"], "--resolution", "64", "--results", str(tmp_path / "results")]
    assert main([*words, "--shots", "0", "--save", str(tmp_path / "model")]) == 0
    assert "image_auroc" in capsys.readouterr().out
    assert load_detector(tmp_path / "model", weights=made["weights"]).object_name == "nut"
    assert main([*words, "--shots", "0", "--set", "object_name=hexagonal nut"]) == 0
    named = [result.protocol.options["object_name"] for result in ResultStore(tmp_path / "results").results()]
    assert sorted(named) == ["hexagonal nut", "nut"]


def test_no_images_are_refused(made):
    with pytest.raises(InputError, match="no images to score"):
        WinCLIP(**made).fit_predict([])
