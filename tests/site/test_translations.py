"""Catalogues of translations: none is older than its source, and none changes a link, a command or a number."""

import re
import warnings
from collections import Counter

import pytest

from adlib.errors import InputError
from helpers.places import ROOT
from tools.site import texts
from tools.site.glossary import chinese_first, meaning, terms, with_anchors
from tools.site.languages import WORDS, catalogue_file, catalogued, read_catalogue, translations, usable, words
from tools.site.texts import counts, needs_translation, site_words, source_text, stale
from tools.site.translations import NEEDED, extract, missing

DOCUMENTS = catalogued()
GLOSSARY = (ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")
COMMAND = "python -m tools.site.translations"
_LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
_KEPT = (_LINK, re.compile(r"`([^`]+)`"), re.compile(r"\$([^$]+)\$"), re.compile(r"\{(\w+)\}"))
_MILLIONS = re.compile(r"\d[\d.,]* (?:thousand|million|billion)")  # Chinese counts in other units: 4.2 million, 420 万
_NUMBER = re.compile(r"(?<![A-Za-z\d.])\d+(?:[.,]\d+)*(?![A-Za-z\d])")


def test_first_page_glossary_and_words_are_translated():
    assert {"index", "notebooks/glossary", "results-browser", "solutions", WORDS} <= set(DOCUMENTS)
    assert all(translations(name) for name in DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_translation_is_older_than_its_source(document):
    old = stale(document)
    assert old == [], f"{document} has changed since it was translated; run `{COMMAND}` and commit what it writes."


def test_a_text_that_changed_is_found(monkeypatch):
    before = source_text(WORDS)
    monkeypatch.setattr(texts, "source_text", lambda document: before.replace("false alarms", "alarms"))
    assert "false alarms" in stale(WORDS) and "memory bank" not in stale(WORDS)


def test_a_broken_catalogue_is_named(tmp_path):
    path = tmp_path / "a.po"
    path.write_text('<<<<<<< HEAD\nmsgid "a"\nmsgstr "b"\n', encoding="utf-8")  # a merge that was left half done
    with pytest.raises(InputError, match=r"a\.po cannot be read: .*keyword"):
        read_catalogue(path)


def test_what_is_left_to_translate_is_counted():
    found = {name: counts(read_catalogue(catalogue_file(name))) for name in DOCUMENTS}
    left = {name: count for name, count in found.items() if count["fuzzy"] or count["untranslated"]}
    for name, count in left.items():
        warnings.warn(f"{name}: {count['fuzzy']} fuzzy, {count['untranslated']} untranslated", stacklevel=1)
    assert sum(count["translated"] for count in found.values()) > 300


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_translation_keeps_links_code_formulas_and_numbers(document):
    for text, translation in translations(document).items():
        assert not re.match(r"\d+\. ", translation), f"{translation}: as a heading this is read as a list; write \\."
        for kept in _KEPT:
            assert set(kept.findall(translation)) == set(kept.findall(text)), text
        counted = Counter(_NUMBER.findall(_MILLIONS.sub("", text)))
        assert not counted - Counter(_NUMBER.findall(translation)), text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_to_a_term_of_the_glossary_stays_one(document):
    known, linked = terms(GLOSSARY), re.compile(r"\[([^\]]*)\]\([^)]*glossary\.md\)")
    for text, translation in translations(document).items():
        before, after = ([meaning(word, known) for word in linked.findall(t)] for t in (text, translation))
        assert after.count(None) <= before.count(None), text


def test_words_that_code_writes_are_translated_where_their_chinese_is_known():
    say = words("zh_CN")
    if new := set(site_words()) - translations(WORDS).keys():
        warnings.warn(f"{WORDS}: without Chinese are {sorted(new)}; run `{COMMAND}`", stacklevel=1)
    assert say("memory bank") == "记忆库" and say("no such text") == "no such text"
    assert words("en")("memory bank") == "memory bank"


def test_the_chinese_glossary_leads_with_the_chinese_term():
    page = chinese_first(with_anchors(GLOSSARY))
    row = next(line for line in page.splitlines() if "term-coreset" in line)
    assert row.startswith('| 核心集 | <span id="term-coreset"></span>coreset | A small subset')
    assert all(line.count(" | ") == 3 for line in page.splitlines() if line.startswith("| "))
    assert page.count("<span id=") == with_anchors(GLOSSARY).count("<span id=")


def test_chinese_names_lead_to_their_term():
    known = terms(GLOSSARY, str.upper)
    target, sentence = meaning("k 近邻", known)
    assert target.startswith("term-knn") and sentence.startswith("THE K STORED VECTORS")
    assert meaning("教师", known) == meaning("students", known)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("`adlib run` $x_{max}$", False),
        ("[06](06_memory_bank.ipynb)", False),
        ("PatchCore方法", False),
        ("a word", True),
        ("a sentence that is English, with one word (准确率) in Chinese", True),
    ],
)
def test_code_and_formulas_need_no_translation(text, needed):
    assert needs_translation(text) == needed


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"needs {', '.join(NEEDED)}; pip install 'adlib[site]'")
def test_sphinx_finds_the_texts_that_are_translated(tmp_path):
    found = extract(DOCUMENTS, tmp_path / "texts")
    for name in DOCUMENTS:
        there = {message.id for message in read_catalogue(found / f"{name}.pot")}
        catalogue = read_catalogue(catalogue_file(name))
        gone = [message.id for message in catalogue if usable(message) and message.id not in there]
        assert gone == [], f"{name} has changed since it was translated; run `{COMMAND}`."
        if new := there - {message.id for message in catalogue}:
            warnings.warn(f"{name}: {len(new)} texts are not in its catalogue; run `{COMMAND}`", stacklevel=1)
