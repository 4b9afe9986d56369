"""Prose of a notebook or README analysed: its links, headings, anchors and the files that it names."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import nbformat

FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
INLINE_LINK = re.compile(r"""\]\([ \t]*(<[^>\n]*>|(?:[^()\s]|\([^()\s]*\))*)(?:\s+["'(][^)]*)?\s*\)""")
LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:[ \t]*(\S+)", re.MULTILINE)
HTML_LINK = re.compile(r"""\b(?:src|href)=["']([^"']*)["']""")
OWN_FILE = re.compile(
    r"(?:\.{1,2}/)*(?:adlib|benchmarks|data_scripts|figures|notebooks|results|solutions|tests)/[\w./*-]*"
)
ELSEWHERE = ("http://", "https://", "mailto:")


def markdown(notebook: nbformat.NotebookNode) -> str:
    """All prose of a notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def without_blocks(text: str) -> str:
    """Text without fenced code, where '#' begins a comment and nothing is a link."""
    return FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Targets of links and images as they are written, in any form of Markdown or in HTML."""
    plain = FORMULA.sub("", CODE_SPAN.sub("", without_blocks(text)))
    found = [target for pattern in (INLINE_LINK, LINK_DEFINITION, HTML_LINK) for target in pattern.findall(plain)]
    return [target.strip("<>") for target in found]


def named_files(text: str) -> list[str]:
    """Files and folders of the repository that prose names in `code`, such as `adlib/bank` or `../results/elpv`."""
    spans = [span.strip() for _, span in CODE_SPAN.findall(without_blocks(text))]
    return [span for span in spans if OWN_FILE.fullmatch(span)]


def anchors(text: str, notebook: bool) -> set[str]:
    """Valid targets of '#...': Jupyter replaces spaces by hyphens; GitHub also drops case and punctuation."""
    headings = [re.sub(r"[*`$]", "", heading) for heading in HEADING.findall(without_blocks(text))]
    if not notebook:
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in headings} | set(
        re.findall(r"""\b(?:id|name)=["']([^"']+)""", text)
    )


def broken_links(text: str, path: Path) -> Iterator[str]:
    """A sentence for each broken link of `path`, whose prose is `text`."""
    for target in links(text):
        file, _, anchor = target.partition("#")
        if target.startswith((*ELSEWHERE, "attachment:")):
            continue
        aim = path.parent / unquote(file) if file else path
        if file.startswith("/") or not aim.exists():
            yield f"links to {target}, which does not exist"
        elif anchor and unquote(anchor) not in anchors(_prose(aim) if file else text, aim.suffix == ".ipynb"):
            yield f"links to {target}, and there is no such heading"


def missing_files(text: str, path: Path, root: Path) -> Iterator[str]:
    """A sentence for each file that prose names and that is neither below `root` nor next to `path`."""
    for name in named_files(text):
        if not any(_there(folder, name) for folder in (path.parent, root)):
            yield f"names {name}, which does not exist"


def _there(folder: Path, name: str) -> bool:
    return any(folder.glob(name)) if "*" in name else (folder / name).exists()


def _prose(path: Path) -> str:
    if path.suffix == ".ipynb":
        return markdown(nbformat.read(path, as_version=4))
    return path.read_text(encoding="utf-8") if path.suffix == ".md" else ""
