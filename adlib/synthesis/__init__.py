"""Synthetic defects: from good images alone (chapter 08), and Poisson blending (chapters 08 and 18)."""

from adlib.synthesis.blending import blend
from adlib.synthesis.cutpaste import cutpaste, jittered, scar
from adlib.synthesis.kinds import SYNTHESES, synthesise
from adlib.synthesis.nsa import nsa, soft_label
from adlib.synthesis.pasting import TEXTURES, made_up_defects, paste
from adlib.synthesis.perlin import perlin, perlin_masks, perlin_noise
from adlib.synthesis.surfaces import random_surface

__all__ = [
    "SYNTHESES",
    "TEXTURES",
    "blend",
    "cutpaste",
    "jittered",
    "made_up_defects",
    "nsa",
    "paste",
    "perlin",
    "perlin_masks",
    "perlin_noise",
    "random_surface",
    "scar",
    "soft_label",
    "synthesise",
]
