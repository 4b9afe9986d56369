"""An export that says anything else than its detector is refused; one made-up model for each way to differ."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from adlib.detectors import Predictions
from adlib.errors import InputError
from adlib.export.proof import RESIZED, made_up, prove

GOOD = [1.0, 2.0, 3.0, 4.0]  # spread 1.118, threshold 4 at a rate of 0.2


@dataclass
class Scores:
    """A model that gives the user's images some scores and the made-up ones `far`, all plus `more`."""

    scores: list[float]
    more: float = 0.0
    far: float = 500.0
    maps: float = 0.0
    grid: tuple[int, int] = (2, 3)
    calibration_: dict = field(default_factory=lambda: {"good_scores": GOOD, "false_alarm_rate": 0.2})

    def predict(self, images):
        scores = [*self.scores, *[self.far] * (len(images) - len(self.scores))]
        grids = [np.full(self.grid, 10 + self.maps, dtype=np.float32) for _ in images]
        return Predictions(np.array(scores) + self.more, grids, [None] * len(images))


def raiser(error):
    """A function that raises an error, whatever it gets."""

    def fails(*_):
        raise error

    return fails


@pytest.fixture
def compare(pictures, tmp_path):
    """Compare two models on two images of a user."""
    from PIL import Image

    paths = [tmp_path / f"{n}.png" for n in range(2)]
    for path, picture in zip(paths, pictures, strict=False):
        Image.fromarray(picture).save(path)
    return lambda one, other: prove(one, other, paths)


def test_what_is_found(compare):
    proof = compare(Scores([2.5, 9.0]), Scores([2.5, 9.00001], maps=0.001))
    assert proof.images == 2 and proof.made_up == 8 and proof.decisions == 10 and proof.on_threshold == 0
    assert proof.score_difference == pytest.approx(1e-5) and proof.spread == pytest.approx(np.std(GOOD))
    assert proof.map_difference == pytest.approx(1e-4, rel=0.01)
    assert "all 10 are the same" in proof.lines()[-1]


REFUSED = [
    (Scores([2.5, 9.0 + 2e-4]), r"1\.png, image scores differ by 0\.00018 of the good scores' spread"),
    (Scores([2.5, np.nan]), r"1\.png, image scores differ by nan"),
    (Scores([2.5, 9.0], far=500.1), "the black image, image scores differ"),
    (Scores([2.5, 9.0], maps=0.02), r"0\.png, patch scores differ by 0\.002"),
    (Scores([2.5, 9.0], grid=(3, 2)), "patch scores differ by inf"),
]


@pytest.mark.parametrize(("other", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused(compare, other, words):
    with pytest.raises(InputError, match=words):
        compare(Scores([2.5, 9.0]), other)


def test_a_made_up_image_is_measured_by_its_distance(compare):
    """500 spreads away, float32 resolves no ten-thousandth of a spread."""
    compare(Scores([2.5, 9.0]), Scores([2.5, 9.0], far=500.01))


def test_where_the_graph_resizes_more_is_accepted(pictures, tmp_path):
    detector, other = Scores([], far=3.0), Scores([], far=3.005)
    assert prove(detector, other, accepted=RESIZED).lines()[1].count("at most 0.01 is accepted")
    with pytest.raises(InputError, match="image scores differ"):
        prove(detector, other)


def test_openvino_is_reported_and_refuses_nothing():
    detector = Scores([], far=3.9)
    proof = prove(detector, detector, by_openvino=Scores([], far=4.1))
    assert proof.openvino == pytest.approx(0.2) and proof.openvino_decisions == 6
    assert "OpenVINO, scores differ by at most 0.2, 0.18 of the spread, and 6 decisions" in proof.lines()[2]
    broken = Scores([], far=4.1)
    broken.predict = raiser(InputError("OpenVINO cannot score it."))
    assert prove(detector, detector, by_openvino=broken).lines()[2] == "OpenVINO cannot score it."


def test_another_decision_is_refused(compare):
    """However small the difference of the scores."""
    with pytest.raises(InputError, match=r"0\.png gets another decision"):
        compare(Scores([4.000001, 9.0]), Scores([3.999999, 9.0]))


def test_the_image_that_set_the_threshold_is_not_counted(compare):
    """Stored with 8 digits, its score is above or below itself by rounding."""
    proof = compare(Scores([4.00000001, 9.0]), Scores([3.99999999, 9.0]))
    assert proof.decisions == 9 and proof.on_threshold == 1


def test_without_a_threshold(compare):
    proof = compare(Scores([2.5, 9.0], calibration_={}), Scores([2.5, 9.0]))
    assert proof.decisions == 0 and "no threshold" in proof.lines()[-1]


def test_made_up_images():
    shapes = {image.shape for image in made_up().values()}
    assert len(made_up()) == 6 and {(64, 448, 3), (448, 64, 3)} <= shapes
