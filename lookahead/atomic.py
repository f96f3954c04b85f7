"""Files that are whole or untouched."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a temporary file beside the target, then move it there, so that a reader never sees half a file.

    A link is followed and stays a link. The file's permissions follow the process's umask.

    Raises:
        OSError: If it cannot be written; the old file, if any, is unchanged.
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
