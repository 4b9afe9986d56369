"""Get and check MVTec 3D-AD: `python data_scripts/mvtec_3d.py --help`."""

import sys

from adlib.data.fetch import script
from adlib.data.fetch.mvtec_3d import SOURCE

if __name__ == "__main__":
    sys.exit(script.main(SOURCE))
