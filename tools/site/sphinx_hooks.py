"""What the site adds to Sphinx: notebooks, docstrings, tooltips of glossary terms, and the other language."""

from functools import cache
from pathlib import Path
from typing import Any

from tools.chapters import CHAPTERS
from tools.site.glossary import meaning, terms
from tools.site.languages import LANGUAGES, NAMES, Say, translated, translations, words
from tools.site.notebooks import shown
from tools.site.reference import as_rst


def attach(app: Any) -> None:
    """Connect the hooks to a Sphinx application."""
    app.connect("config-inited", _name_site)
    app.connect("source-read", _show_notebook)
    app.connect("env-check-consistency", _translate_titles)
    app.connect("html-page-context", _lead_to_other_language)
    app.connect("html-page-context", _mark_english)
    app.connect("doctree-resolved", _explain_terms)
    app.connect("autodoc-process-docstring", _format_docstring)


def _show_notebook(app: Any, name: str, content: list[str]) -> None:
    if Path(app.env.doc2path(name)).suffix == ".ipynb":
        content[0] = shown(content[0], f"{name}.ipynb", words(app.config.language))


def _format_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def _explain_terms(app: Any, doctree: Any, name: str) -> None:
    """A link to the glossary leads to its term and shows the term's sentence."""
    from docutils import nodes

    known = _known(app.config.language)
    for link in doctree.findall(nodes.reference):
        to = link.get("refuri", "")
        if to.endswith("glossary.html") and (found := meaning(link.astext(), known)):
            link["refuri"], link["reftitle"] = f"{to}#{found[0]}", found[1]


@cache
def _known(language: str) -> dict[str, tuple[str, str]]:
    sentences = translations("notebooks/glossary", language)
    page = (Path(__file__).parents[2] / "notebooks/glossary.md").read_text(encoding="utf-8")
    return terms(page, lambda sentence: sentences.get(sentence, sentence))


def _name_site(app: Any, config: Any) -> None:
    say = words(config.language)
    config.html_title = say("adlib: industrial image anomaly detection")
    config.author = say("the authors of adlib")


def _translate_titles(app: Any, env: Any) -> None:
    """Pages that are not translated have a title in the language of the site in contents and links."""
    from docutils import nodes

    if app.config.language == "en":
        return
    for name in env.found_docs - translated(app.config.language):
        title = page_title(name, env.titles[name].astext(), words(app.config.language))
        env.titles[name] = nodes.title("", "", nodes.Text(title))
        for link in env.tocs[name].findall(lambda node: isinstance(node, nodes.reference) and not node["anchorname"]):
            link.children = [nodes.Text(title)]


def page_title(name: str, title: str, say: Say) -> str:
    """The title of a page in the language of `say`; of a chapter and its solutions, by the chapter's subject.

    name: of the document.
    title: in English.
    """
    topics = {chapter.number: say(chapter.topic) for chapter in CHAPTERS if say(chapter.topic) != chapter.topic}
    folder, _, stem = name.rpartition("/")
    if not folder.startswith("notebooks") or stem[:2] not in topics:
        return say(title)
    return f"{stem[:2]} {topics[stem[:2]]}" + (say(": solutions") if folder.endswith("solutions") else "")


def _lead_to_other_language(app: Any, name: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """What the template language.html links to: the same page in the other language."""
    here, root = app.config.language, context["content_root"]
    for language in LANGUAGES.keys() - {here}:
        up = "../" if LANGUAGES[here] else ""
        below = f"{LANGUAGES[language]}/" if LANGUAGES[language] else ""
        context["other_language"] = {
            "href": f"{root}{up}{below}{name}.html",
            "code": language.replace("_", "-"),
            "name": NAMES[language],
        }


def _mark_english(app: Any, name: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A page without a translation says so, and that its text is English."""
    if app.config.language != "en" and doctree is not None and name not in translated(app.config.language):
        say = words(app.config.language)
        note = say("This page is not translated yet; its text is English.")
        context["body"] = f'<p class="untranslated">{note}</p><div lang="en">{context["body"]}</div>'
