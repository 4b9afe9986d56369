"""The table of chapters in the README: the topic of each, and how long a study group takes to read it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd

from tools.site.languages import Say

# What a study group of six worked through in an hour, measured on readers of these chapters.
WORDS_AN_HOUR = 2000
LINES_AN_HOUR = 240
# Tags of cells outside the lesson, and the headings that end the lesson.
_NO_LESSON = {"claims", "harness", "parameters"}
_END = re.compile(r"(?m)^#+\s*(?:\d+\.?\s*)?(?:Exercises|References)\b")
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_NO_PROSE = re.compile(r"<[^>]+>|\$[^$]*\$")


@dataclass(frozen=True)
class Chapter:
    """A row of the table.

    number: two digits.
    topic: the chapter's subject.
    methods: what it treats.
    shows: what a reader has seen at its end.
    """

    number: str
    topic: str
    methods: str
    shows: str


CHAPTERS = (
    Chapter("00", "a first detector", "nearest patch", "the task, a first score and map, the data sets"),
    Chapter("01", "metrics", "AUROC, AP, AUPRO", "when a high number hides a useless detector"),
    Chapter("02", "teacher-student", "STFPM, reverse distillation", "why a student differs on a defect"),
    Chapter("03", "one-class", "Deep SVDD, Patch SVDD", "why a tight boundary is hard to find"),
    Chapter("04", "Gaussian", "Gaussian, PaDiM", "in which directions defects hide"),
    Chapter("05", "normalizing flow", "FastFlow, CFLOW", "what a flow gains over one Gaussian"),
    Chapter("06", "memory bank", "kNN, SPADE, PaDiM, PatchCore", "how few good patches are enough"),
    Chapter("07", "reconstruction", "autoencoder, SSIM, VAE", "why neither repairing nor copying decides"),
    Chapter("08", "anomaly synthesis", "CutPaste, NSA, DRAEM", "what a detector learns from synthetic defects"),
    Chapter("09", "supervised", "DevNet, SuperSimpleNet", "how many labels pay, and what a new kind does"),
    Chapter("10", "few-shot and meta-learning", "k-centre, RegAD", "which shots matter, and whether practice helps"),
    Chapter("11", "zero-shot", "CLIP, WinCLIP, DINO", "what words can replace, and where they cannot"),
    Chapter("12", "noisy training data", "SoftPatch, committee", "what wrong labels cost, and how to find them"),
    Chapter("13", "3D", "FPFH, BTF, 3D-ST", "what depth sees, and what breaks without its grid"),
    Chapter("14", "total performance", "14 methods", "all of them on eight data sets, one protocol"),
    Chapter("15", "thresholds", "conformal", "what a threshold promises, and from how many images"),
    Chapter("16", "comparing methods", "bootstrap, ranks", "when a difference is beyond chance"),
    Chapter("17", "after PatchCore", "N-pad, SubspaceAD, RAD", "what neighbourhoods, heads and subspaces gain"),
    Chapter("18", "a few real defects", "Poisson blending, VAE", "what 1, 5 and 10 kept defects add"),
    Chapter("19", "from images alone", "MuSc, MAEDAY, chat models", "what a batch and hidden patches can tell"),
    Chapter("20", "PatchCore reproduced", "PatchCore", "where paper and code differ, and what it changes"),
    Chapter("21", "AnomalyDINO reproduced", "AnomalyDINO", "what masks, rotations and shots change"),
    Chapter("22", "shot sweep", "PatchCore, AnomalyDINO", "how many good images a detector needs"),
    Chapter("23", "your own images", "PatchCore, AnomalyDINO", "from a folder of weld radiographs to decisions"),
    Chapter("24", "published tables", "PatchCore, AnomalyDINO", "which published numbers may be compared"),
    Chapter("25", "broken promises", "thresholds by group", "what a new film or camera does to a threshold"),
)


def chapter_table(notebooks: Path, say: Say = str) -> pd.DataFrame:
    """One row per chapter; chapters without a notebook in the folder are 'planned'.

    say: what turns the words of the cells into another language.
    """
    return pd.DataFrame([_row(chapter, notebooks, say) for chapter in CHAPTERS])


def _row(chapter: Chapter, notebooks: Path, say: Say) -> dict[str, str]:
    found = next(notebooks.glob(f"{chapter.number}_*.ipynb"), None)
    topic = say(chapter.topic)
    link = f"[{topic}]({notebooks.name}/{found.name})" if found else topic
    return {
        "": chapter.number,
        "topic": link,
        "methods": say(chapter.methods),
        "minutes": str(minutes(nbformat.read(found, as_version=4))) if found else "",
        "what it shows": say(chapter.shows) if found else say("planned"),
    }


def minutes(notebook: nbformat.NotebookNode) -> int:
    """Reading time of a study group, without exercises: by words or by lines of code, whichever is longer."""
    words, lines = (sum(numbers) for numbers in words_and_lines(notebook))
    return 5 * round(12 * max(words / WORDS_AN_HOUR, lines / LINES_AN_HOUR))


def words_and_lines(notebook: nbformat.NotebookNode) -> tuple[list[int], list[int]]:
    """Words of each text and lines of each code cell that a reader works through."""
    cells = list(lesson(notebook))
    words = [len(_WORD.findall(_NO_PROSE.sub(" ", text))) for kind, text in cells if kind == "markdown"]
    return words, [sum(bool(line.strip()) for line in text.split("\n")) for kind, text in cells if kind == "code"]


def lesson(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str]]:
    """Kind and text of the cells that a reader works through: none tagged as in `_NO_LESSON`, up to the exercises."""
    for cell in notebook.cells:
        if _NO_LESSON & set(cell.metadata.get("tags", ())) or not cell.source.strip():
            continue
        lesson, *rest = _END.split(cell.source, maxsplit=1) if cell.cell_type == "markdown" else [cell.source]
        yield cell.cell_type, lesson
        if rest:
            return
