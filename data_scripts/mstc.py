"""Get and check mini ShanghaiTech Campus, every fifth frame: `python data_scripts/mstc.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.mstc import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
