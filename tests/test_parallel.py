"""Work spread over cores: in order, a few items ahead."""

import pytest
import torch

from adlib.parallel import one_core_each


def test_one_core_each_keeps_the_order_and_the_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert list(one_core_each(lambda n: (n, torch.get_num_threads()), range(50))) == [(n, 1) for n in range(50)]
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError):
            list(one_core_each(lambda n: 1 // (n - 5), range(50)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_what_is_done_with_an_outcome_also_has_one_core():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        inner = one_core_each(lambda n: n, range(20))
        outer = one_core_each(lambda n: (n, torch.get_num_threads()), inner)
        assert [(*pair, torch.get_num_threads()) for pair in outer] == [(n, 1, 1) for n in range(20)]
        assert torch.get_num_threads() == 3
        unfinished = one_core_each(lambda n: n, range(20))
        next(unfinished)
        assert torch.get_num_threads() == 1
        unfinished.close()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_one_core_each_takes_few_items_ahead():
    taken = []

    def items():
        for n in range(100):
            taken.append(n)
            yield n

    cores = torch.get_num_threads()
    outcomes = one_core_each(lambda n: n, items())
    assert next(outcomes) == 0
    assert len(taken) <= 2 * cores + 1
    outcomes.close()
