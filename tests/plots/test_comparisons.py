"""Comparisons of methods, and of ours with the published, write their numbers."""

import numpy as np
import pandas as pd

from adlib import plots
from helpers.plot_examples import texts


def test_methods_stand_in_order_of_their_means():
    frame = pd.DataFrame({"method": list("aabbc"), "image_auroc": [0.5, 0.7, 0.9, 0.9, np.nan]})
    figure = plots.method_scores(frame)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert {"0.600", "0.900"} <= set(texts(figure))


def test_ours_minus_published_is_written_and_missing_ones_left_out():
    frame = pd.DataFrame({"label": ["a", "b"], "ours": [96.2, 97.0], "published": [96.5, np.nan]})
    written = texts(plots.ours_beside_published(frame))
    assert "\N{MINUS SIGN}0.3" in written and not any("nan" in text for text in written)
