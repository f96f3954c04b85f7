"""The public names, as the README shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lookahead

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there() -> None:
    for name in lookahead.__all__:
        assert getattr(lookahead, name) is not None
        assert name in dir(lookahead)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lookahead.nothing


def test_the_readme_example_runs(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    code = example.replace("assets/model", str(tiny_model)).replace("max_new_tokens=128", "max_new_tokens=20")
    exec(compile(code, "README.md", "exec"), {})
    assert float(capsys.readouterr().out.split()[-1]) >= 1.0


def test_the_space_front_matter_pins_what_the_requirements_pin() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = readme.split("---")[1]
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^sdk_version: (.+)$", front, flags=re.MULTILINE)
    assert f"gradio=={version}" in requirements
    (description,) = re.findall(r"^short_description: (.+)$", front, flags=re.MULTILINE)
    assert len(description) <= 60
