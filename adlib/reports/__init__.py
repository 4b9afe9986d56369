"""The report of a sweep: table, learning curves and HTML page."""

from adlib.reports.figures import extremes
from adlib.reports.page import rate_of_page, write_report
from adlib.reports.tables import GROUP, METRICS, learning_curves, summary, table
from adlib.reports.titles import method_sentence, method_title, titled

__all__ = [
    "GROUP",
    "METRICS",
    "extremes",
    "learning_curves",
    "method_sentence",
    "method_title",
    "rate_of_page",
    "summary",
    "table",
    "titled",
    "write_report",
]
