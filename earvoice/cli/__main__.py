"""`python -m earvoice.cli` is the command `earvoice`."""

import sys

from earvoice.cli import main

if __name__ == "__main__":
    sys.exit(main())
