"""Get and check weld tiles from GDXray: `python data_scripts/gdxray_welds.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.gdxray import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
