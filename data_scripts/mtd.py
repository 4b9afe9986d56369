"""Get and check Magnetic Tile Defects: `python data_scripts/mtd.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.mtd import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
