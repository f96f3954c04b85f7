"""A study on two nodes of Ray, of which one is taken away in the middle: nothing is lost, and the result is the same.

Not part of the default run: a cluster takes half a minute to start. Where Ray is installed (the extra ``ray``):

    python -m pytest tests/lookahead/study/ray_study.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lookahead.cli.main import main
from lookahead.study.folder import StudyFolder

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install ray")
TEXTS = ["abcabc", "hello hello", "x y x y x", "no no no", "one two one two", "aaaa bbbb aaaa", "end end", "a b a b a"]
TIMES = ("seconds", "plain_seconds", "speedup", "disturbed", "modelled_seconds", "modelled_speedup")
GRID = "decoding_length=4,8 strategy=hierarchical,single start=cold,warm"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each."""
    from ray.cluster_utils import Cluster  # pyright: ignore

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"num_cpus": 1, "object_store_memory": 80_000_000}
    nodes = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
    nodes.second = nodes.add_node(**small)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def _study(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    status = main(["study", *arguments, "--budget", "fixed", "--max-new-tokens", "12", "--grid", GRID, "--json"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return json.loads(printed.out.splitlines()[-1]), printed.err


def _without_times(study: dict[str, Any]) -> list[Any]:
    rows = [{name: value for name, value in row.items() if name not in TIMES} for row in study["rows"]]
    counted = ("label", "start", "config", "tokens_per_pass", "drafted_per_pass")
    return [rows, [{name: variant[name] for name in counted} for variant in study["variants"]]]


def test_a_node_that_ends_in_the_middle_loses_nothing(
    cluster: Any,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in TEXTS))
    common = ("prompts.jsonl", "--model", str(tiny_model))
    here, _ = _study(capsys, *common, "--out", "here")
    rows, add = [], StudyFolder.add

    def ends(self: StudyFolder, *arguments: Any) -> Any:
        rows.append(arguments[0])
        if len(rows) == 3:  # a prompt is running on each node, or waits for one
            cluster.remove_node(cluster.second, allow_graceful=False)
        return add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(StudyFolder, "add", ends)
        there, _ = _study(capsys, *common, "--out", "there", "--ray", cluster.address)
    assert sorted(rows) == list(range(1, len(TEXTS) + 1))
    assert _without_times(there) == _without_times(here)
    assert sorted(path.name for path in Path("there/runs").iterdir()) == [f"{place:04}.json" for place in sorted(rows)]

    # A study that was stopped goes on by the same command, on what is left of the cluster.
    Path("there/runs/0002.json").unlink()
    rows.clear()
    with monkeypatch.context() as patched:
        patched.setattr(StudyFolder, "add", ends)
        again, said = _study(capsys, *common, "--out", "there", "--ray", cluster.address)
    assert rows == [2]
    assert "8 of 8 prompts have run before" in said
    assert _without_times(again) == _without_times(here)
