"""Folders of empty files, to be indexed, and the sentence with which a folder is refused."""

from pathlib import Path

import pytest

from adlib.data import Dataset, load_dataset
from adlib.errors import InputError


def touch(root: Path, *names: str) -> Path:
    """Create empty files: an index must open none of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(dataset: Dataset, samples) -> list[str]:
    return [dataset.relative(s) for s in samples]


def refused(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(*arguments, **options)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    return str(caught.value)
