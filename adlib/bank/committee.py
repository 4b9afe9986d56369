"""A committee of small random banks judges the images that the banks were made of (chapter 12).

A bank of all training images knows its own defects: a defective training image is at distance 0 from itself, and near
others with the same defect. A bank of a few random images is a low-pass: it holds what most images share, and a rare
patch only by chance. So every member of the committee remembers a few images, judges all others, and a patch gets the
median of the distances that the members give it: one member with the same defect, or two, do not change it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from adlib.bank.neighbours import nearest
from adlib.errors import InputError


class Committee:
    """Small banks of patches of random images; an image is judged by the members that do not hold it.

    Images are dealt to the members like cards, and shuffled again when fewer than `hand` are left: each image is in
    about the same number of banks and, since `hand` is at most half of the images, judged by about half of the members
    or more.

    images: number of images, at least 4.
    members: number of banks.
    hand: number of images in a bank, at most half of all.
    patches: at most this number of patches in a bank, chosen at random, the same number from each of its images.
    seed: of the images and of the patches.
    Raises InputError for too few images, and for other numbers below 1.
    """

    def __init__(self, images: int, members: int = 11, hand: int = 8, patches: int = 1000, seed: int = 0) -> None:
        if images < 4:
            raise InputError(f"A committee judges images by each other and needs at least 4, not {images}; add some.")
        if min(members, hand, patches) < 1:
            raise InputError("A committee needs at least one member, one image and one patch in each.")
        self.patches = patches
        self._random = torch.Generator().manual_seed(seed)
        self._hands = list(self._dealt(images, members, min(hand, images // 2)))
        self._banks: list[list[Tensor]] = [[] for _ in self._hands]

    def learn(self, number: int, vectors: Tensor) -> None:
        """Give patches (n, D) of one image to the members that hold it; call it once for each image before `judge`."""
        for hand, bank in zip(self._hands, self._banks, strict=True):
            if number in hand:
                share = max(1, self.patches // len(hand))
                bank.append(vectors[torch.randperm(len(vectors), generator=self._random)[:share].to(vectors.device)])

    def judge(self, number: int, vectors: Tensor) -> Tensor:
        """(n,) median over the members without this image of the distance of each patch (n, D) to the nearest."""
        banks = [torch.cat(b) for hand, b in zip(self._hands, self._banks, strict=True) if number not in hand]
        return torch.stack([nearest(vectors, bank)[0][:, 0] for bank in banks]).median(dim=0).values

    def _dealt(self, images: int, members: int, hand: int) -> Iterator[set[int]]:
        deck: list[int] = []
        for _ in range(members):
            if len(deck) < hand:
                deck = torch.randperm(images, generator=self._random).tolist()
            yield {deck.pop() for _ in range(hand)}
