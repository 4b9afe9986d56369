"""`python -m adlib.cli`, for when the command `adlib` is not on the path."""

import sys

from adlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
