"""``python -m lookahead``."""

from __future__ import annotations

import sys

from lookahead.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
