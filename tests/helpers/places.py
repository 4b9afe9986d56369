"""Where the checkout lies, and the optional folder of real data and weights beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
