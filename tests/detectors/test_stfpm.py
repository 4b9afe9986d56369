"""STFPM against a plain statement: two networks, position by position, numpy."""

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.toy import render
from adlib.detectors.registry import load_detector
from adlib.detectors.stfpm import STFPM, Student, differences, on_finest_grid
from adlib.errors import InputError
from adlib.features.backbones import load_backbone

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
LAYERS = ("blocks1", "blocks2", "blocks4")


@pytest.fixture(scope="module")
def fitted() -> STFPM:
    return STFPM(resize=64, steps=20, batch=4, device="cpu").fit(GOOD)


def pixels_of(picture: np.ndarray, side: int = 64) -> torch.Tensor:
    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255).permute(2, 0, 1)[None]


def plain_difference(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """(C, h, w) twice -> half the squared distance of the unit vectors, one position after the other."""
    apart = np.empty(teacher.shape[1:])
    for y, x in np.ndindex(*apart.shape):
        t, s = teacher[:, y, x].astype(float), student[:, y, x].astype(float)
        apart[y, x] = 0.5 * np.sum((t / np.linalg.norm(t) - s / np.linalg.norm(s)) ** 2)
    return apart


def test_scores_are_the_product_of_the_differences_at_three_scales(fitted):
    pixels = pixels_of(BAD)
    with torch.inference_mode():
        teacher, student = load_backbone("efficientnet_lite0", device="cpu")(pixels, LAYERS), fitted.network_(pixels)
    expected = np.ones((16, 16))
    for layer in LAYERS:
        scale = plain_difference(teacher[layer][0].numpy(), student[layer][0].numpy())
        picture = Image.fromarray(scale.astype(np.float32))  # resized by another library than the detector's
        expected *= np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR))
    predictions = fitted.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0], expected, rtol=1e-3)
    assert predictions.scores[0] == pytest.approx(expected.max(), rel=1e-3)


def test_differences_are_one_minus_cosine_and_blind_to_length():
    teacher, student = (torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    found = differences({"a": teacher, "more": teacher}, {"a": student})
    assert set(found) == {"a"} and found["a"].shape == (2, 3, 4)
    torch.testing.assert_close(found["a"], 1 - torch.cosine_similarity(teacher, student))
    torch.testing.assert_close(differences({"a": 7 * teacher}, {"a": student / 3})["a"], found["a"])
    assert differences({"a": teacher}, {"a": -teacher})["a"].allclose(torch.tensor(2.0))
    assert differences({"a": teacher}, {"a": 2 * teacher})["a"].abs().max() < 1e-6
    assert differences({"a": teacher * 0}, {"a": student * 0})["a"].eq(0).all()  # a dead position is no defect


def test_scales_meet_on_the_finest_grid():
    scales = {"fine": torch.rand(2, 6, 4), "coarse": torch.full((2, 3, 2), 0.5)}
    grids = on_finest_grid(scales)
    assert grids.shape == (2, 2, 6, 4) and torch.equal(grids[:, 0], scales["fine"]) and grids[:, 1].eq(0.5).all()


def test_a_student_with_the_teachers_weights_agrees_everywhere():
    """It is what makes scores: the gap in knowledge, nothing else."""
    network = load_backbone("efficientnet_lite0", device="cpu")
    student = Student(network, LAYERS, "efficientnet_lite0").eval()
    own = network.network.state_dict()
    student.stages.load_state_dict({name: own[name] for name in student.stages.state_dict()})
    with torch.inference_mode():
        apart = differences(network(pixels_of(BAD), LAYERS), student(pixels_of(BAD)))
    assert set(apart) == set(LAYERS) and max(values.max() for values in apart.values()) < 1e-5


def test_the_teacher_does_not_learn_and_the_student_does(fitted):
    before = load_backbone("efficientnet_lite0", device="cpu").state_dict()
    assert all(torch.equal(value, before[name]) for name, value in fitted.network().state_dict().items())
    assert fitted.history_[-1][1] < 0.9 * fitted.history_[0][1]


def test_a_lighter_student_is_translated_saved_and_loaded(tmp_path):
    teacher = load_backbone("efficientnet_lite0", device="cpu")
    found = STFPM(student="resnet18", resize=64, steps=2, batch=2, layers=("blocks2", "blocks4"), device="cpu")
    found.fit(GOOD[:3])
    answers = found.network_(pixels_of(BAD))
    assert {layer: values.shape[1] for layer, values in answers.items()} == {"blocks2": 40, "blocks4": 112}
    assert found.network_.own == {"blocks2": "layer2", "blocks4": "layer3"}
    assert found.network_.stages.layers == ("layer1", "layer2", "layer3")  # layer4 would be saved and never used
    assert all(values.shape == teacher(pixels_of(BAD))[layer].shape for layer, values in answers.items())
    found.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert np.array_equal(again.predict([BAD]).grids[0], found.predict([BAD]).grids[0])


def test_students_that_cannot_answer_are_refused():
    with pytest.raises(InputError, match="not a convolutional network"):
        STFPM(student="vit_tiny_patch16", resize=64, steps=1).fit(GOOD[:2])
    with pytest.raises(InputError, match="stride 2"):
        STFPM(student="resnet18", layers=("blocks0",), resize=64, steps=1).fit(GOOD[:2])
