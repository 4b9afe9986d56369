"""The languages of the site: English, and Chinese where a document has a catalogue of translations.

`docs/site/locale/zh_CN/LC_MESSAGES/DOCUMENT.po` holds the translation of a document, paragraph by paragraph; `words.po`
those of the words that code writes: the map of methods, tables, folds, the results browser.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po

from adlib.errors import InputError

ROOT = Path(__file__).parents[2]
# Language -> its folder below the site; Sphinx's names.
LANGUAGES = {"en": "", "zh_CN": "zh"}
NAMES = {"en": "English", "zh_CN": "中文"}  # as a reader of that language looks for it
WORDS = "words"  # the catalogue of what code writes

Say = Callable[[str], str]


def catalogue_folder(language: str = "zh_CN") -> Path:
    """The folder of a language's catalogues."""
    return ROOT / f"docs/site/locale/{language}/LC_MESSAGES"


def catalogue_file(document: str, language: str = "zh_CN") -> Path:
    """Where the translations of a document are, such as notebooks/06_memory_bank."""
    return catalogue_folder(language) / f"{document}.po"


def read_catalogue(path: Path) -> Catalog:
    """The translations of a file. Raises InputError where it cannot be read."""
    with path.open("rb") as file:
        try:
            return read_po(file, locale="zh_CN", abort_invalid=True)
        except PoFileError as error:
            raise InputError(f"{path} cannot be read: {error}; mend the line.") from error


def catalogued(language: str = "zh_CN") -> list[str]:
    """Documents that have a catalogue, sorted."""
    folder = catalogue_folder(language)
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.po"))


@cache
def translations(document: str, language: str = "zh_CN") -> dict[str, str]:
    """Text -> its translation, of a document; fuzzy ones are left out; empty where there is no catalogue."""
    path = catalogue_file(document, language)
    if not path.exists():
        return {}
    return {message.id: message.string for message in read_catalogue(path) if message.id and usable(message)}


def usable(message) -> bool:
    """Whether a message is translated, and its translation belongs to the text as it is."""
    return bool(message.string) and not message.fuzzy


def words(language: str, document: str = WORDS) -> Say:
    """A function that translates what a catalogue knows and gives everything else back as it is."""
    known = translations(document, language)
    return lambda text: known.get(text, text)


def translated(language: str = "zh_CN") -> set[str]:
    """Documents with at least one translation; `README` is the Chinese README, which is a page of its own."""
    if language == "en":
        return set()
    return {name for name in catalogued(language) if translations(name, language)} - {WORDS} | {"README"}


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return re.search(r"[\u4e00-\u9fff]", text) is not None
