"""``python app.py`` serves the page. Nothing imports this file: ``import app`` finds the package."""

from __future__ import annotations

from app.main import main

if __name__ == "__main__":
    main()
