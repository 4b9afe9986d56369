"""Listing folders: what cannot be listed is said."""

from pathlib import Path

from helpers.empty_files import refused, touch


def test_no_permission_to_list(tmp_path, monkeypatch):
    touch(tmp_path, "good/a.png")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "Permission denied" in refused(tmp_path)
