"""Synthetic defects: masks and textures, and pasting them into good images (chapter 08)."""

from adlib.synthesis.blending import blend
from adlib.synthesis.defects import BLENDINGS, Crop, cut, foreground, paste_defect, resized, varied
from adlib.synthesis.pasting import TEXTURES, made_up_defects, paste
from adlib.synthesis.perlin import perlin, perlin_masks, perlin_noise
from adlib.synthesis.surfaces import random_surface

__all__ = [
    "BLENDINGS",
    "Crop",
    "TEXTURES",
    "blend",
    "cut",
    "foreground",
    "made_up_defects",
    "paste",
    "paste_defect",
    "perlin",
    "perlin_masks",
    "perlin_noise",
    "random_surface",
    "resized",
    "varied",
]
