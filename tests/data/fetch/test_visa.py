"""VisA from a made-up archive to a verified folder."""

from adlib.data import load_dataset
from adlib.data.fetch import script, visa
from helpers.made_up_archives import tar_bytes, visa_files


def test_visa_with_its_split(tmp_path, capsys):
    (tmp_path / "VisA.tar").write_bytes(tar_bytes(visa_files("cashew", "capsules"), "w"))
    to = tmp_path / "visa"
    assert script.main(visa.SOURCE, ["--from", str(tmp_path / "VisA.tar"), "--to", str(to)]) == 0
    assert "verified: capsules, cashew" in capsys.readouterr().out
    dataset = load_dataset(to)
    assert dataset.layout == "visa" and len(dataset.category("capsules").train_good) == 542
    (to / "cashew" / "Data" / "Images" / "Normal" / "unlisted.JPG").write_bytes(b"")
    assert script.main(visa.SOURCE, ["--check", str(to)]) == 1
    assert "cashew: 501 normal images, but 500 were published" in capsys.readouterr().err
    (to / "cashew" / "Data" / "Masks" / "Anomaly" / "003.png").unlink()
    assert script.main(visa.SOURCE, ["--check", str(to)]) == 2
