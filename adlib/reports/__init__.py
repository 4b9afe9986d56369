"""What a sweep shows: its table, its learning curves and its page."""

from adlib.reports.page import rate_of_page, write_report
from adlib.reports.tables import GROUP, METRICS, learning_curves, summary, table

__all__ = [
    "GROUP",
    "METRICS",
    "learning_curves",
    "rate_of_page",
    "summary",
    "table",
    "write_report",
]
