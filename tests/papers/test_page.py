"""Pages of a paper's numbers beside ours, in each format."""

import pandas as pd
import pytest

from adlib.errors import InputError
from adlib.papers.catalogue import published
from adlib.papers.page import as_html, write_page
from helpers.made_up_results import EXACT, result


def test_pages_are_written(tmp_path):
    runs = [result(**EXACT)]
    table = pd.read_csv(write_page("patchcore", runs, tmp_path / "p.csv"))
    assert len(table) == len(published(method="PatchCore")) and {
        "how_read",
        "differs",
        "protocol",
        "best",
        "best_differs",
    } <= set(table)
    assert (
        (tmp_path / "p.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    )  # Excel takes it for its own code page otherwise
    page = write_page("patchcore", runs, tmp_path / "p.html").read_text()
    assert page == as_html("patchcore", runs) and page.count("<table") == page.count("<h2>") and "http" not in page
    assert write_page("patchcore", runs, tmp_path / "p.md").read_text().startswith("# PatchCore")
    with pytest.raises(InputError, match=r"\.csv, \.md, \.html"):
        write_page("patchcore", runs, tmp_path / "p.pdf")
