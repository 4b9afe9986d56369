"""What is stored comes back; what is damaged is named and done again."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from adlib.errors import InputError
from adlib.experiments.packs import pack_folder
from adlib.experiments.store import ResultStore, scores_by_method, with_same_seeds


def test_what_is_stored_comes_back(protocol, done):
    result, store = done
    again = store.get(protocol)
    assert again.metrics == result.metrics and again.row == json.loads(json.dumps(result.row))
    pd.testing.assert_frame_equal(again.scores, result.scores, rtol=1e-6)
    assert len(store.grids(protocol)) == len(result.scores)


@pytest.mark.parametrize("ending", ["json", "csv"])
@pytest.mark.parametrize("damage", ["", "{", "\0\0\0"])
def test_a_damaged_result_is_done_again_and_named_in_a_report(done, tmp_path, protocol, ending, damage):
    result, _ = done
    store = ResultStore(tmp_path)
    store.put(result)
    (tmp_path / f"{protocol.title}.{ending}").write_text(damage)
    assert store.get(protocol) is None and protocol not in store
    with pytest.raises(InputError, match="damaged"):
        list(store.results())


def test_a_result_without_its_table_is_done_again(done, tmp_path, protocol):
    result, _ = done
    store = ResultStore(tmp_path)
    store.put(result)
    (tmp_path / f"{protocol.title}.csv").unlink()
    assert protocol not in store


def test_files_of_something_else_are_no_results(done, tmp_path):
    """What `adlib predict` and other programs leave in a folder; a damaged row is still named, whatever its name."""
    result, _ = done
    store = ResultStore(tmp_path)
    store.put(result)
    others = {
        "predict/predict.json": '{"model_sha256": "ab"}',
        "a.json": "[1]",
        "b.json": "",
        "c.json": "{'not': JSON}",
    }
    others["web.json"] = '{"protocol": "https"}'
    for name, content in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert [r.protocol for r in store.results()] == [result.protocol]
    assert pack_folder(tmp_path) == (1, 1) and all((tmp_path / name).exists() for name in others)
    (tmp_path / "half.json").write_text('{"metrics": {}, "protocol": {"dataset": "a', encoding="utf-8")
    with pytest.raises(InputError, match=r"half\.json is damaged"):
        list(store.results())


def test_methods_are_compared_over_the_same_seeds(done):
    result, _ = done
    cells = [("a", "patchcore", 0), ("a", "patchcore", 1), ("a", "spade", 0), ("a", "spade", 1), ("a", "vae", 1)]
    cells += [("b", "patchcore", 1), ("b", "patchcore", 0), ("b", "spade", 0)]
    cells += [("c", "patchcore", 1), ("c", "vae", 1), ("c", "patchcore", 0), ("c", "spade", 0)]  # as many, not the same
    results = [
        replace(result, protocol=replace(result.protocol, category=category, method=method, seed=seed, options={}))
        for category, method, seed in cells
    ]
    kept = [(r.protocol.category, r.protocol.method, r.protocol.seed) for r in with_same_seeds(results)]
    assert kept[:3] == [("a", "patchcore", 1), ("a", "spade", 1), ("a", "vae", 1)]
    assert kept[3:] == [(part, method, 0) for part in "bc" for method in ("patchcore", "spade")]
    assert with_same_seeds(results[3:4])[0] is results[3] and with_same_seeds([]) == []


def test_scores_of_one_test_set_by_method(done):
    result, _ = done
    cells = [("patchcore", 0), ("spade", 0), ("patchcore", 1)]
    runs = [replace(result, protocol=replace(result.protocol, method=m, seed=s, options={})) for m, s in cells]
    labels, scores = scores_by_method(runs)
    assert labels.tolist() == result.scores["label"].tolist()
    assert {method: stack.shape for method, stack in scores.items()} == {
        "patchcore": (2, len(labels)),
        "spade": (1, len(labels)),
    }
    assert scores["spade"][0].tolist() == result.scores["score"].tolist()
    for wrong in ([], [result, replace(result, scores=result.scores[::-1])]):
        with pytest.raises(InputError, match="same test images"):
            scores_by_method(wrong)
