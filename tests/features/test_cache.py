"""The feature cache: what comes back is what went in, damage is repaired, a full disk is survived."""

import warnings
from pathlib import Path

import pytest
import torch

from adlib.features.cache import TensorCache, digest


def test_there_and_back(tmp_path: Path):
    cache = TensorCache(tmp_path)
    tensors = {"map": torch.randn(3, 4, 5), "frame": torch.arange(4.0)}
    assert cache.get("kind", "ab12") is None and ("kind", "ab12") not in cache
    cache.put("kind", "ab12", tensors)
    found = cache.get("kind", "ab12")
    assert ("kind", "ab12") in cache and all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"not a tensor file"])
def test_a_damaged_file_is_dropped(tmp_path: Path, damage):
    cache = TensorCache(tmp_path)
    cache.put("kind", "ab12", {"map": torch.ones(3)})
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(damage)
    assert cache.get("kind", "ab12") is None and not file.exists()


def test_a_truncated_file_is_dropped(tmp_path: Path):
    cache = TensorCache(tmp_path)
    cache.put("kind", "ab12", {"map": torch.ones(1000)})
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-7])
    assert cache.get("kind", "ab12") is None


def test_a_folder_that_cannot_be_written_turns_the_cache_off_with_one_warning(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    cache = TensorCache(tmp_path / "file")
    with pytest.warns(UserWarning, match="cache is off"):
        cache.put("kind", "ab12", {"map": torch.ones(3)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put("kind", "cd34", {"map": torch.ones(3)})


def test_digest_depends_on_every_value_and_not_on_order():
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1}) != digest({"a": 1, "b": [3, 2]})
