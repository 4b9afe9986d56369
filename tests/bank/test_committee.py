"""A committee against a plain statement: banks by hand, distances by their definition, the median over the banks."""

import numpy as np
import pytest
import torch

from adlib.bank import Committee
from adlib.errors import InputError
from helpers.plain_bank import normal


def learned(samples: torch.Tensor, **settings: int) -> Committee:
    committee = Committee(len(samples), **settings)
    for number, vectors in enumerate(samples):
        committee.learn(number, vectors)
    return committee


@pytest.mark.parametrize(("images", "members", "hand"), [(9, 5, 3), (8, 6, 4), (10, 1, 2), (5, 7, 50)])
def test_a_patch_gets_the_median_of_the_members_without_its_image(images, members, hand):
    samples = normal(images, 6, 4)
    committee = learned(samples, members=members, hand=hand)  # whole images: 6 patches are fewer than a member's
    for number in range(images):
        banks = [torch.cat([samples[i] for i in held]) for held in committee._hands if number not in held]
        if not banks:
            continue
        d = [np.linalg.norm(samples[number][:, None] - b[None], axis=2).min(axis=1) for b in banks]
        lower_middle = np.sort(d, axis=0)[(len(d) - 1) // 2]
        np.testing.assert_allclose(committee.judge(number, samples[number]), lower_middle, rtol=1e-5)


@pytest.mark.parametrize(("images", "members", "hand"), [(4, 15, 8), (9, 15, 4), (100, 15, 8), (17, 2, 8)])
def test_hands_are_dealt_fairly(images, members, hand):
    hands = Committee(images, members, hand)._hands
    held = [sum(i in h for h in hands) for i in range(images)]
    assert len(hands) == members and {len(h) for h in hands} == {min(hand, images // 2)}
    assert max(held) <= (members + 1) // 2  # so each image has judges
    assert hands == Committee(images, members, hand)._hands != Committee(images, members, hand, seed=1)._hands


def test_a_member_remembers_equal_numbers_of_patches_of_its_images():
    samples = normal(8, 50, 3)
    committee = learned(samples, members=3, hand=4, patches=20)
    for hand, bank in zip(committee._hands, committee._banks, strict=True):
        assert [len(part) for part in bank] == [5] * 4
        for number, part in zip(sorted(hand), bank, strict=True):
            assert all((samples[number] == row).all(dim=1).any() for row in part) and len(part.unique(dim=0)) == 5


def test_rare_patches_stand_out_also_where_two_images_share_them():
    samples = normal(20, 10, 4)
    samples[3, 7] += 30
    samples[11, 2] = samples[3, 7]
    committee = learned(samples, hand=4)
    highest = [float(committee.judge(i, samples[i]).max()) for i in range(20)]
    assert set(np.argsort(highest)[-2:]) == {3, 11} and committee.judge(3, samples[3]).argmax() == 7


def test_refuses_too_few():
    with pytest.raises(InputError, match="needs at least 4, not 3"):
        Committee(3)
    with pytest.raises(InputError, match="at least one member"):
        Committee(9, members=0)
