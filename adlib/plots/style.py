"""The style of all figures: colours, fonts and text (including Chinese names)."""

import functools
import unicodedata
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib import font_manager

GOOD = "#0072B2"
DEFECTIVE = "#D55E00"
INK = "#222222"
FAINT = "#767676"

# Series that look the same in every chart; "strange" is the word where nobody knows of a defect.
_BAD = {"color": DEFECTIVE, "marker": "s"}
FIXED_LOOKS = {"good": {"color": GOOD, "marker": "o"}, "defective": _BAD, "strange": _BAD}

# Okabe & Ito's colour-blind safe set (jfly.uni-koeln.de/color), without its yellow, which is too pale on white.
PALETTE = (GOOD, DEFECTIVE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # colour is never the only difference between two series

WIDTH = 8.5  # inches: 850 px at 100 dpi, the text column of a notebook or an HTML report
FONT_SIZE = 10.0

# Sans-serif first: they match DejaVu Sans better. Simplified Chinese before the others of a family.
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "Noto Sans CJK HK",
    "Noto Sans CJK KR",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "Heiti TC",
    "STHeiti",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "DengXian",
    "SimSun",
    "Arial Unicode MS",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "Droid Sans Fallback",
)


def chinese_font() -> str | None:
    """The first of `CHINESE_FONTS` that is installed; None where there is none.

    matplotlib does not find a newly installed font until its font cache (`matplotlib.get_cachedir()`) is deleted.
    """
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def use_style() -> None:
    """Give a notebook's own matplotlib figures the style of this package, whose functions do not need this call."""
    matplotlib.rcParams.update(_settings())


def styled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a plotting function under the style, and restore the caller's settings."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with matplotlib.rc_context(_settings()):
            return function(*args, **kwargs)

    return wrapper


def series_look(number: int) -> dict[str, Any]:
    """Colour and marker of the series with this number."""
    return {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)]}


def text_width(text: str) -> int:
    """Width of a line of text in half-width characters: a Chinese character counts 2."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shorten(text: str, width: int) -> str:
    """Shorten each line of a text in its middle.

    File names differ at their beginning (the defect) and at their end (the number), so both are kept.

    text: one or several lines.
    width: largest width in half-width characters, at least 3.
    """
    return "\n".join(_shorten_line(line, max(width, 3)) for line in str(text).split("\n"))


def _shorten_line(line: str, width: int) -> str:
    if text_width(line) <= width:
        return line
    head, tail = "", ""
    rest = line
    while True:
        from_head = text_width(head) <= text_width(tail)
        letter = rest[0] if from_head else rest[-1]
        if text_width(head) + text_width(tail) + text_width(letter) + 1 > width:
            return f"{head}…{tail}"
        if from_head:
            head, rest = head + letter, rest[1:]
        else:
            tail, rest = letter + tail, rest[:-1]


def showable(text: str) -> str:
    """A text that matplotlib can show: '$' is a dollar; without a Chinese font, Chinese characters become '□'.

    matplotlib shows such boxes too, with one warning for every glyph.
    """
    text = str(text).replace("$", r"\$")
    if chinese_font() is None:
        text = "".join("□" if unicodedata.east_asian_width(letter) in "WF" else letter for letter in text)
    return text


def _settings() -> dict[str, Any]:
    # Concrete names: matplotlib looks for a missing glyph in the next family only in a list of these.
    families = ["DejaVu Sans"] + [name for name in [chinese_font()] if name]
    return {
        "font.family": families,
        "font.size": FONT_SIZE,
        "axes.titlesize": FONT_SIZE,
        "axes.labelsize": FONT_SIZE,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": matplotlib.cycler(color=list(PALETTE)),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "text.color": INK,
        "xtick.labelsize": FONT_SIZE - 1,
        "ytick.labelsize": FONT_SIZE - 1,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": FONT_SIZE - 1,
        "lines.linewidth": 1.8,
        "lines.markersize": 6,
        "hatch.linewidth": 0.6,
        "figure.dpi": 100,
        "figure.facecolor": "white",
        "figure.constrained_layout.use": True,
    }
