"""Published numbers, and our results compared with them."""

from adlib.papers.catalogue import published
from adlib.papers.compare import PAPERS, comparison, own_rows
from adlib.papers.page import print_page, write_page
from adlib.papers.reproduction import Reproduction, check_data, reproduce

__all__ = [
    "PAPERS",
    "Reproduction",
    "check_data",
    "comparison",
    "own_rows",
    "print_page",
    "published",
    "reproduce",
    "write_page",
]
