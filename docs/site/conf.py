"""Sphinx's settings for the course's site; `python -m tools.site` writes the source folder and runs Sphinx."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from adlib import __version__  # noqa: E402
from tools.site import sphinx_hooks  # noqa: E402
from tools.site.search import SearchChinese  # noqa: E402

project, author = "adlib", "the authors of adlib"
release = version = __version__
language = "en"  # the Chinese site is built with -D language=zh_CN
locale_dirs, gettext_compact, gettext_location = ["locale"], False, False
templates_path = ["_templates"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_parts", "locale"]
nb_execution_mode = "off"  # the committed outputs are shown
nb_ipywidgets_js = {}  # no widget's state is committed, and no script comes from elsewhere
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4

html_favicon = "_static/favicon.svg"
html_theme = "sphinx_book_theme"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system
html_css_files = ["scores.css", "site.css"]
html_sourcelink_suffix = ""  # `_sources/NAME.ipynb` is what 'download notebook' gives
html_theme_options = {
    "article_header_end": ["language.html", "article-header-buttons.html"],
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the search field is in the side bar
    "show_toc_level": 2,
    "use_download_button": True,
    "use_fullscreen_button": False,
}
if repository := os.environ.get("ADLIB_SITE_REPOSITORY"):  # such as https://github.com/<owner>/<name>
    html_theme_options |= {
        "repository_url": repository,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }

mathjax_path = "mathjax/tex-svg.js"  # copied from a Python package, see tools/site/folder.py
mathjax3_config = {"loader": {"load": ["a11y/assistive-mml"]}, "options": {"enableMenu": False}}

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 110
copybutton_exclude = ".linenos, .gp, .go"


def setup(app):
    """Attach what tools/site knows about notebooks, the glossary and docstrings."""
    sphinx_hooks.attach(app)
    app.add_search_language(SearchChinese)
