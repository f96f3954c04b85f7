"""``python -m lookahead``, and the command ``lookahead``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status. Ctrl-C is as quiet while the program is still being imported."""
    try:
        from lookahead.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("lookahead: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
