"""``python app.py`` serves the page. Nothing imports this file: ``import app`` finds the package."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from app.main import main

        main()
    except KeyboardInterrupt:  # while the program is still being imported
        print("Stopped.", file=sys.stderr)
