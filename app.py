"""``python app.py``: open the page. Nothing imports this file; the package ``app`` has the name."""

from __future__ import annotations

from app.main import main

if __name__ == "__main__":
    main()
