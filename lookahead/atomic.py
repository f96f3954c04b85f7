"""Files that are whole or untouched."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by way of another one beside it, so that nobody ever meets a half of it.

    What a link points to is written, the link stays. The file is as readable as the process's umask says.

    Raises:
        OSError: If it cannot be written; what was there before is there still.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        with open(part, "xb") as file:
            file.write(data)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
