"""All figures of the notebooks, reports and the README: arrays, images and tables in, matplotlib figures out.

Nothing here reads or writes a file. Figures are not registered with pyplot: a notebook shows one that ends a cell.
"""

from adlib.plots.arrays import png_data_uri
from adlib.plots.comparisons import effects, intervals, ours_beside_published
from adlib.plots.curves import learning_curve, lines
from adlib.plots.figure import figure_to_png, new_figure, tidy
from adlib.plots.heat import Limits, colour_limits
from adlib.plots.images import contact_sheet, gallery, map_steps, overlay, picture_rows, reconstructions
from adlib.plots.nearest import browse, nearest_patches
from adlib.plots.panels import line_panels, scatter_panels
from adlib.plots.plane import coverings, panels, points
from adlib.plots.repeats import repeats
from adlib.plots.scores import roc_and_pr, score_histogram, threshold_stops
from adlib.plots.seeds import over_seeds
from adlib.plots.standings import accuracy_against_cost, rank_diagram, score_grid
from adlib.plots.style import DEFECTIVE, GOOD, PALETTE, chinese_font, use_style
from adlib.plots.surfaces import clouds, shaded_relief

__all__ = [
    "DEFECTIVE",
    "GOOD",
    "Limits",
    "PALETTE",
    "accuracy_against_cost",
    "browse",
    "chinese_font",
    "clouds",
    "colour_limits",
    "contact_sheet",
    "coverings",
    "effects",
    "figure_to_png",
    "gallery",
    "intervals",
    "learning_curve",
    "line_panels",
    "lines",
    "map_steps",
    "nearest_patches",
    "new_figure",
    "ours_beside_published",
    "over_seeds",
    "overlay",
    "panels",
    "picture_rows",
    "png_data_uri",
    "points",
    "rank_diagram",
    "reconstructions",
    "repeats",
    "roc_and_pr",
    "scatter_panels",
    "score_grid",
    "score_histogram",
    "shaded_relief",
    "threshold_stops",
    "tidy",
    "use_style",
]
