"""Images, masks and data sets: from files of any layout to one index, and from any image to 8-bit RGB."""

from adlib.data.dataset import Dataset, Sample
from adlib.data.images import content_key, read_image
from adlib.data.labelled import label_defects
from adlib.data.layouts import load_dataset
from adlib.data.masks import read_mask
from adlib.data.noise import plant, plant_defects, plant_listed
from adlib.data.rotation import rotate

__all__ = [
    "Dataset",
    "Sample",
    "content_key",
    "label_defects",
    "load_dataset",
    "plant",
    "plant_defects",
    "plant_listed",
    "read_image",
    "read_mask",
    "rotate",
]
