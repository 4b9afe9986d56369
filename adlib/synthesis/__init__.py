"""Synthetic defects: from good images alone (chapter 08), and from a few real ones by Poisson blending (chapter 18)."""

from adlib.synthesis.blending import blend
from adlib.synthesis.cutpaste import cutpaste, jittered, scar
from adlib.synthesis.defects import BLENDINGS, Crop, cut, foreground, paste_defect, resized, varied
from adlib.synthesis.kinds import SYNTHESES, synthesise
from adlib.synthesis.nsa import nsa, soft_label
from adlib.synthesis.pasting import TEXTURES, made_up_defects, paste
from adlib.synthesis.perlin import perlin, perlin_masks, perlin_noise
from adlib.synthesis.surfaces import random_surface

__all__ = [
    "BLENDINGS",
    "Crop",
    "SYNTHESES",
    "TEXTURES",
    "blend",
    "cut",
    "cutpaste",
    "foreground",
    "jittered",
    "made_up_defects",
    "nsa",
    "paste",
    "paste_defect",
    "perlin",
    "perlin_masks",
    "perlin_noise",
    "random_surface",
    "resized",
    "scar",
    "soft_label",
    "synthesise",
    "varied",
]
