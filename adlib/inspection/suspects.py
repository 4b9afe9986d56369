"""The training images that are most unlike the rest, as a table and as a page (`adlib check --suspects`; chapter 12).

Nobody has to say which images are good: `adlib.detectors.suspicion` judges every image by small banks of the others.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data.dataset import Dataset, Sample
from adlib.data.images import read_image
from adlib.data.names import printable
from adlib.detectors import PatchCore, suspicion
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.inspection.overlays import paint
from adlib.plots import colour_limits, png_data_uri

SHOWN = 10
FEWEST = 8  # below that, half of the images are a committee's bank, and a median says little
SIDE = 480  # pixels of a page's images, at most
NORMAL = 1.4826  # median absolute deviation -> standard deviation, for a normal distribution
EXPLANATION = (
    "Every training image was judged by small banks of random others: suspicion is the median distance of its most "
    "unusual patches to their nearest neighbours there. 'deviations' is its distance from the median image in robust "
    "standard deviations. Unlike the rest does not mean defective: look at each image before you remove it."
)


@dataclass(frozen=True)
class Suspect:
    """A training image that is unlike the rest.

    sample: the image.
    name: its path below the root of the data set.
    score: its suspicion, see `adlib.detectors.suspicion`.
    deviations: (score - median) / (1.4826 x median absolute deviation) over all training images; infinite where most
        have the same score.
    overlay: the image next to its anomaly map, RGB.
    """

    sample: Sample
    name: str
    score: float
    deviations: float
    overlay: Image.Image


def find_suspects(
    dataset: Dataset,
    most: int = SHOWN,
    window: tuple[float, float] | None = None,
    cache: TensorCache | None = None,
    show_progress: bool = False,
) -> list[Suspect]:
    """The good training images that a committee finds most unlike the rest, the most suspicious first.

    dataset: one category.
    most: number of images, at least 1; all where there are fewer.
    window: of grey levels, see `read_image`.
    cache: of features, None for none.
    show_progress: whether to show progress bars.
    Raises InputError for fewer than 8 images, and for images that cannot be read.
    """
    samples = dataset.train_good
    if len(samples) < FEWEST:
        raise InputError(
            f"{'/'.join(map(printable, dataset.categories))} has {len(samples)} good training images, and suspects need"
            f" at least {FEWEST} to be told from the rest; add images, or look at all of them."
        )
    if most < 1:
        raise InputError(f"The number of suspects shown must be at least 1, not {most}.")
    detector = PatchCore(window=window)
    found = suspicion([s.path for s in samples], detector, cache=cache, show_progress=show_progress)
    middle = np.median(found.scores)
    order = np.argsort(-found.scores, kind="stable")
    limits = colour_limits([found.grids[i] for i in order[len(order) // 2 :]])  # of the images most like the rest
    unit = NORMAL * np.median(np.abs(found.scores - middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.nan_to_num((found.scores - middle) / unit, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return [
        Suspect(
            samples[i],
            printable(dataset.relative(samples[i])),
            float(found.scores[i]),
            float(deviations[i]),
            _overlay(read_image(samples[i].path, window), found.anomaly_map(i), limits),
        )
        for i in order[:most]
    ]


def _overlay(image: Image.Image, anomaly_map: np.ndarray, limits: tuple[float, float]) -> Image.Image:
    """The image and its map side by side, shrunk to the size of a page."""
    size = tuple(max(1, round(side * min(1, SIDE / max(image.size)))) for side in image.size)
    pair = Image.new("RGB", (2 * size[0], size[1]))
    pair.paste(image.resize(size), (0, 0))
    pair.paste(paint(image, anomaly_map, limits).resize(size), (size[0], 0))
    return pair


def as_text(suspects: Sequence[Suspect]) -> str:
    """The suspects as lines of a table."""
    rows = [f"{s.score:>9.4g}  {s.deviations:>10.1f}  {s.name}" for s in suspects]
    return "\n".join(["suspicion  deviations  image", *rows])


def write_page(found: dict[str, Sequence[Suspect]], target: Path) -> Path:
    """Write one self-contained HTML page with an overlay of each suspect.

    found: category -> its suspects.
    target: file that ends in .html.
    Returns the target. Raises InputError for another ending.
    """
    check_ending(target)
    title = f"Training images most unlike the rest: {', '.join(map(printable, found))}"
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(EXPLANATION)}</p>"]
    for category, suspects in found.items():
        parts.append(f"<h2>{html.escape(printable(category))}</h2>")
        parts += [_figure(number, suspect) for number, suspect in enumerate(suspects, start=1)]
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "figure{margin:1.5rem 0}img{max-width:100%}figcaption,p{color:#555}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    with atomic_write(target) as file:
        file.write(
            f'<!doctype html><html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"
        )
    return target


def check_ending(target: Path) -> None:
    """Raise InputError unless the file ends in .html."""
    if target.suffix != ".html":
        raise InputError(f"Cannot write {printable(target)}: the ending must be .html.")


def _figure(number: int, suspect: Suspect) -> str:
    caption = f"{number}. {suspect.name}: suspicion {suspect.score:.4g}, {suspect.deviations:.1f} deviations"
    image = f'<img alt="{html.escape(suspect.name)}" src="{png_data_uri(suspect.overlay)}">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"
