"""What the tests of features share: a network that comes with its package."""

import pytest

from adlib.features.backbones import load_backbone


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0", device="cpu")
