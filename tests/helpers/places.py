"""The folder of the checkout, and the optional folder of real data and weights next to it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
