"""Get and check VisA with its one-class split: `python data_scripts/visa.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.visa import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
