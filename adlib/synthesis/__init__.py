"""Synthetic defects: masks and textures, and pasting them into good images (chapter 08)."""

from adlib.synthesis.blending import blend
from adlib.synthesis.pasting import TEXTURES, made_up_defects, paste
from adlib.synthesis.perlin import perlin, perlin_masks, perlin_noise
from adlib.synthesis.surfaces import random_surface

__all__ = [
    "TEXTURES",
    "blend",
    "made_up_defects",
    "paste",
    "perlin",
    "perlin_masks",
    "perlin_noise",
    "random_surface",
]
