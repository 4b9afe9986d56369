"""Questions for a multimodal chat model, and a mark for its answers (chapter 19).

The model is the user's matter: `write_questions` writes numbered images and a prompt into a folder, somebody or some
script shows them to a model and fills in a table, and `mark` scores it with the metrics of all other methods. Names and
order of the images say nothing of their labels; these are in a file next to the folder, not in it.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adlib.data import Dataset, Sample
from adlib.data.images import read_image
from adlib.errors import InputError, check_whole
from adlib.evaluation import accuracy_at, bootstrap_interval, image_metrics
from adlib.files import atomic_write
from adlib.inspection.folder import table_text
from adlib.spreadsheets import csv_rows

ANSWERS, KEY, PROMPT = "answers.csv", ".key.csv", "prompt.txt"
WORDS = {"yes": 100.0, "no": 0.0}
CALLED_DEFECTIVE = 50.0  # answers above it count as 'defective'
_PROMPT = """You inspect photographs of one product: {product}.
{shown}Is there a defect in the image: damage, dirt, something missing, something that should not be there?
Unusual light, place or orientation is no defect.
Answer with one whole number from 0 (certainly flawless) to 100 (certainly defective), and nothing else.
"""
_SHOWN = "First you see flawless examples ({names}); do not judge them.\n"


def write_questions(
    dataset: Dataset, folder: str | Path, product: str, each: int | None = None, shots: int = 0, seed: int = 0
) -> int:
    """Write images, prompt and an empty table of answers into a new folder, and the labels next to it.

    The folder `F` gets `0001.png` ... in random order, `good_1.png` ... for the shots, `prompt.txt`, and `answers.csv`
    with the columns image and answer. `F.key.csv` has image, label and source of each image: keep it from the model.

    dataset: of one category.
    folder: to write to; must not exist or be empty.
    product: what the images show, in words, for the prompt.
    each: at most this many good and this many defective test images, None for all.
    shots: flawless training images that are shown first.
    seed: of the order, of the images and of the shots.
    Returns the number of questions.
    Raises InputError where the folder is in use, and where there is nothing to ask.
    """
    folder = Path(folder)
    check_whole("shots", shots, 0)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} holds files already; give the name of a new folder.")
    asked = _sampled(dataset.test, each, np.random.default_rng(seed))
    if not asked:
        raise InputError("There are no test images to ask about; give a data set with a test split.")
    examples = dataset.few_shot(shots, seed, "random") if shots else []
    digits = max(4, len(str(len(asked))))
    names = [f"{number:0{digits}d}.png" for number in range(1, len(asked) + 1)]
    first = [f"good_{number}.png" for number in range(1, shots + 1)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, sample in zip(first + names, [*examples, *asked], strict=True):
        read_image(sample.path).save(folder / name)  # pixels alone: no metadata, no name
    _write(folder / PROMPT, _PROMPT.format(product=product, shown=_SHOWN.format(names=", ".join(first)) * bool(first)))
    _write(folder / ANSWERS, table_text(("image", "answer"), ({"image": name, "answer": ""} for name in names)))
    rows = zip(names, asked, strict=True)
    key = ({"image": n, "label": str(s.label), "source": dataset.relative(s)} for n, s in rows)
    _write(key_of(folder), table_text(("image", "label", "source"), key))
    return len(asked)


def key_of(folder: str | Path) -> Path:
    """The file of labels that belongs to a folder of questions."""
    return Path(folder).with_name(Path(folder).name + KEY)


def _sampled(test: Sequence[Sample], each: int | None, rng: np.random.Generator) -> list[Sample]:
    """At most `each` images of each label, in an order that does not depend on the label."""
    order = [test[number] for number in rng.permutation(len(test))]
    kept = {s.path for label in (0, 1) for s in [s for s in order if s.label == label][:each]}
    return [s for s in order if s.path in kept]


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text)


def read_answers(path: str | Path, names: Sequence[str]) -> np.ndarray:
    """(N,) answers from 0 to 100 in the order of `names`; yes is 100 and no is 0.

    path: a CSV file with the columns image and answer; others are ignored.
    names: of all images that were asked about.
    Raises InputError for a file without these columns, and for the first line that is no answer: an unknown image, one
    that has an answer already, and neither yes nor no nor a number from 0 to 100; then for images without an answer.
    """
    found: dict[str, float] = {}
    for line, row in enumerate(_rows(path, ("image", "answer")), start=2):
        place, name = f"{path}, line {line}", row["image"].strip()
        if name not in names:
            raise InputError(f"{place}: no image {name!r} was asked about; take the names of {ANSWERS}.")
        if name in found:
            raise InputError(f"{place}: {name} has an answer already; keep one line for each image.")
        found[name] = _value(row["answer"], f"{place}, {name}")
    if missing := [name for name in names if name not in found]:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise InputError(f"{path} has no answer for {missing[0]}{others}; add a line for each.")
    return np.array([found[name] for name in names])


def _value(text: str, place: str) -> float:
    plain = text.strip().lower()
    try:
        value = WORDS[plain] if plain in WORDS else float(plain)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise InputError(f"{place}: the answer is {text.strip()!r}; give yes, no or a number from 0 to 100.")
    return value


def _rows(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            head, *lines = [row for row in csv_rows(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read {path} as a CSV file in UTF-8; check the path and how it was saved.") from error
    head = [name.strip().lower() for name in head]
    if missing := [name for name in columns if name not in head]:
        raise InputError(f"{path} has no column {missing[0]!r}; its first line must name {' and '.join(columns)}.")
    return [dict.fromkeys(head, "") | dict(zip(head, line, strict=False)) for line in lines]


def mark(folder: str | Path, answers: str | Path | None = None) -> dict[str, float | None]:
    """Scores a table of answers like any detector's.

    folder: that `write_questions` wrote.
    answers: the table, None for `answers.csv` in the folder.
    Returns image_auroc, image_ap and image_f1max as `image_metrics`, low and high of the AUROC's bootstrap interval
    over images, `values`, the number of different answers (with few, many pairs tie, which count as half won), and of
    the decision 'above 50' what `accuracy_at` returns.
    Raises InputError as `read_answers`, and where the labels are missing.
    """
    labels = {row["image"]: row["label"] for row in _rows(key_of(folder), ("image", "label"))}
    scores = read_answers(answers or Path(folder) / ANSWERS, list(labels))
    truth = np.array([int(label) for label in labels.values()])
    low, high = bootstrap_interval(truth, scores)
    found = image_metrics(truth, scores) | {"low": low, "high": high, "values": len(set(scores))}
    return found | accuracy_at(truth, scores, CALLED_DEFECTIVE)
