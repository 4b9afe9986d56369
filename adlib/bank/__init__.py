"""The bank of good patches: exact nearest-neighbour search and coresets."""

from adlib.bank.committee import Committee
from adlib.bank.coreset import (
    approximate_greedy_coreset,
    central_coreset,
    coreset_size,
    covering_radius,
    greedy_coreset,
    plain_greedy_coreset,
    random_coreset,
)
from adlib.bank.grouped import GroupedBank
from adlib.bank.index import BankIndex
from adlib.bank.memory import PatchBank, memory_budget
from adlib.bank.neighbours import nearest
from adlib.bank.outliers import local_outlier_factors

__all__ = [
    "BankIndex",
    "Committee",
    "GroupedBank",
    "PatchBank",
    "approximate_greedy_coreset",
    "central_coreset",
    "coreset_size",
    "covering_radius",
    "greedy_coreset",
    "local_outlier_factors",
    "memory_budget",
    "nearest",
    "plain_greedy_coreset",
    "random_coreset",
]
