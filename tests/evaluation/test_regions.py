"""Dice, saliency and box metrics against slow, literal statements of their definitions."""

import numpy as np
import pytest

from adlib.evaluation import box_ap, box_iou, boxes_of, dice, f1max, saliency


def test_dice_is_the_f1_of_pixels_over_all_images():
    first, second = np.array([[True, True, False]]), np.array([[False, True, True]])
    assert dice([first, second], [first, first]) == pytest.approx(2 * (2 + 1) / (2 + 2 + 2 + 2))
    assert dice([first], [~first]) == 0
    assert dice([np.zeros((2, 2), bool)], [np.zeros((2, 2), bool)]) == 1


def test_saliency_of_a_perfect_and_of_an_empty_map():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 3:6] = True
    assert saliency([mask.astype(float)], [mask]) == {"mae": 0.0, "f_max": pytest.approx(1.0)}
    empty = saliency([np.zeros((8, 8))], [mask])
    precision = mask.mean()  # everything is called
    assert empty["mae"] == pytest.approx(precision)
    assert empty["f_max"] == pytest.approx(1.3 * precision / (0.3 * precision + 1))


def test_saliency_equals_a_loop_over_thresholds():
    rng = np.random.default_rng(0)
    maps, mask = rng.random((2, 16, 16)), rng.random((2, 16, 16)) < 0.2
    best = 0.0
    for threshold in np.linspace(0, 1, 256)[:-1]:
        called = maps >= threshold
        precision, recall = (called & mask).sum() / max(called.sum(), 1), (called & mask).sum() / mask.sum()
        best = max(best, 1.3 * precision * recall / max(0.3 * precision + recall, 1e-12))
    assert saliency(list(maps), list(mask))["f_max"] == pytest.approx(best)
    assert f1max(mask.ravel(), maps.ravel())[0] < 1


def test_boxes_of_touching_corners_and_small_components():
    mask = np.zeros((10, 12), bool)
    mask[1, 1] = mask[2, 2] = mask[7:9, 5:9] = True
    assert boxes_of(mask).tolist() == [[1, 1, 3, 3], [7, 5, 9, 9]]
    assert boxes_of(mask, smallest=3).tolist() == [[7, 5, 9, 9]]
    assert boxes_of(np.zeros((4, 4), bool)).shape == (0, 4)


def test_box_iou_counts_pixels():
    rng = np.random.default_rng(1)
    corners = rng.integers(0, 10, (6, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)
    drawn = np.zeros((6, 12, 12), bool)
    for one, (top, left, bottom, right) in zip(drawn, boxes, strict=True):
        one[top:bottom, left:right] = True
    expected = [[(a & b).sum() / (a | b).sum() for b in drawn] for a in drawn]
    assert np.allclose(box_iou(boxes, boxes), expected)


def test_box_ap_of_one_wrong_and_two_right_boxes():
    truth = np.array([[0, 0, 4, 4], [10, 10, 14, 14]])
    boxes = np.array([[20, 20, 24, 24], [0, 0, 4, 4], [10, 10, 14, 14]])
    assert box_ap([boxes], [np.array([0.9, 0.8, 0.7])], [truth]) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_true_box_is_found_once_and_boxes_of_good_images_are_wrong():
    truth, none = np.array([[0, 0, 4, 4]]), np.zeros((0, 4), int)
    twice = np.array([[0, 0, 4, 4], [0, 0, 4, 3]])
    assert box_ap([twice], [np.array([0.9, 0.8])], [truth]) == 1
    assert box_ap([truth, truth], [np.array([0.9]), np.array([0.8])], [none, truth]) == pytest.approx(0.5)
    assert box_ap([none], [np.zeros(0)], [truth]) == 0
