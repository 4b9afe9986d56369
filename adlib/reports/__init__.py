"""The report of a sweep: table, learning curves and HTML page."""

from adlib.reports.figures import colour_note, extremes
from adlib.reports.page import page_shows, write_figures, write_report
from adlib.reports.tables import GROUP, METRICS, learning_curves, summary, table
from adlib.reports.titles import method_sentence, method_title, titled

__all__ = [
    "GROUP",
    "METRICS",
    "colour_note",
    "extremes",
    "learning_curves",
    "method_sentence",
    "method_title",
    "page_shows",
    "summary",
    "table",
    "titled",
    "write_figures",
    "write_report",
]
