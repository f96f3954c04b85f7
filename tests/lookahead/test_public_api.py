"""The public names, as the README shows them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import lookahead
from lookahead.config import LookaheadConfig, RunSettings, Sampling
from lookahead.setting import settings_of

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there() -> None:
    for name in lookahead.__all__:
        assert getattr(lookahead, name) is not None
    assert dir(lookahead) == lookahead.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lookahead.nothing


def test_type_checkers_are_told_the_same_names() -> None:
    source = Path(lookahead.__file__).read_text(encoding="utf-8")
    told = re.findall(r"^    from (\S+) import (\w+) as (\w+)(?:  # noqa: F401)?$", source, flags=re.MULTILINE)
    assert {name: f"{module}.{attribute}" for module, attribute, name in told} == {
        name: f"lookahead.{place}" for name, place in lookahead._HOME.items()
    }


def test_what_the_readme_says_of_commands_and_files_is_so() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sources = [path for folder in ("lookahead", "app") for path in (ROOT / folder).rglob("*") if path.is_file()]
    names = {path.name for path in sources}
    (tree,) = re.findall(r"## The files.*?```\n(.*?)```", readme, flags=re.DOTALL)
    assert not set(re.findall(r"\b\w+\.py\b", tree)) - names - {"app.py"}
    literal = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.suffix == ".py")
    known = {one.flag for one in settings_of(RunSettings, Sampling, LookaheadConfig).values()}
    flags = set(re.findall(r"(--[a-z][a-z-]+)", readme)) - known - {"--help"}
    assert flags
    # The page's own flags are fields of its options.
    fields = {flag: f"    {flag[2:].replace('-', '_')}: " for flag in flags}
    assert [flag for flag in flags if f'"{flag}"' not in literal and fields[flag] not in literal] == []


def test_the_readme_example_runs(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    engine, transformers = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    known: dict[str, Any] = {}
    printed = []
    for example in (engine, transformers):
        code = example.replace("assets/model", str(folder)).replace("max_new_tokens=128", "max_new_tokens=20")
        exec(compile(code, "README.md", "exec"), known)
        printed.append(capsys.readouterr().out)
    assert float(printed[0].split()[-1]) >= 1.0
    assert known["output"].shape[1] == known["inputs"].input_ids.shape[1] + 20
    assert "about a dog" in printed[1]


def test_the_space_front_matter_pins_what_the_requirements_pin() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = readme.split("---")[1]
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^sdk_version: (.+)$", front, flags=re.MULTILINE)
    assert f"gradio=={version}" in requirements
    (description,) = re.findall(r"^short_description: (.+)$", front, flags=re.MULTILINE)
    assert len(description) <= 60
