"""What the tests of detectors share: paths of a small toy set."""

import pytest


@pytest.fixture(scope="module")
def nuts(toy_root):
    """Good training paths, good test paths, defective test paths."""
    folder = toy_root / "nut"
    defective = [p for p in sorted((folder / "test").glob("*/*.png")) if p.parent.name != "good"]
    return sorted((folder / "train/good").iterdir()), sorted((folder / "test/good").iterdir()), defective
