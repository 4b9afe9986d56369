"""Get and check MVTec AD: `python data_scripts/mvtec.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.mvtec import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
