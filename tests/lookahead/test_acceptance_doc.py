"""``assets/docs/acceptance.md``: its numbers are those of the recorded run, its tables those of the code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead import metrics
from lookahead.replay import replay_run
from lookahead.runs import runfile
from lookahead.runs.runfile import RunPair
from lookahead.study.decisions import DECISIONS
from lookahead.study.material import Sample, sample_of
from lookahead.study.result import CAUSE_NAMES
from lookahead.study.rows import row_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "assets" / "docs" / "acceptance.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())


def _table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table whose first heading is this one, by their first cell."""
    rows = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert rows, heading
    cells = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in rows[1].splitlines()]
    return {first.strip("` "): rest for first, *rest in cells}


@pytest.fixture(scope="module")
def pair() -> RunPair:
    return runfile.load_pair(ROOT / "assets" / "runs" / "edit-code.json")


def test_the_pass_by_hand(pair: RunPair) -> None:
    run = pair.run
    step = run.steps[7]
    assert step.draft is not None
    assert run.texts is not None
    assert [run.texts.tokens[token] for token in (step.draft.token_ids[0], *step.emitted_ids)] == [" for", " word", ","]
    statuses = metrics.node_statuses(step)
    assert {status: statuses.count(status) for status in ("accepted", "rejected", "unchecked")} == {
        "accepted": 1, "rejected": 2, "unchecked": 12,
    }  # fmt: skip
    assert run.texts.tokens[step.draft.token_ids[2]] == " in"
    assert [node for node, parent in enumerate(step.draft.parents) if parent == 1] == [2, 15]
    assert "It drafted 15, checked 3 and accepted 1." in TEXT


def test_every_number_is_the_run_s(pair: RunPair) -> None:
    run, plain = pair.run, pair.greedy
    assert plain is not None
    assert run.pass_costs is not None
    assert run.first_token_seconds is not None
    steps, costs = run.steps, run.pass_costs
    row = row_of(sample_of(Sample("edit-code.json", ()), pair), run.config, costs)
    words = metrics.in_vllm_words(metrics.outcomes(steps))
    decoded, needed = row.tokens - 1, 1 + costs.break_even(16)
    assert row.seconds is not None
    assert row.plain_seconds is not None
    assert row.modelled_seconds is not None
    rate, length = metrics.acceptance_rate(steps), metrics.mean_accepted_tokens(steps)
    of_draft = words["num_drafts"]
    first, second = words["num_accepted_tokens_per_pos"][:2]
    assert {name: cells[-1] for name, cells in _table("name").items()} == {
        "tokens": f"{row.tokens}",
        "forward_passes": f"{metrics.forward_passes(steps)}",
        "passes": f"{row.passes}",
        "mean_accepted_tokens` / `tokens_per_pass": f"{decoded} / {row.passes} = {length:.3f}",
        "drafted": f"{row.drafted}",
        "accepted": f"{row.accepted}",
        "wasted": f"{row.wasted}",
        "empty": f"{row.empty}",
        "acceptance_rate": f"{row.accepted} / {row.drafted} = {rate:.3f}",
        "draft_tokens_per_step": f"{row.drafted} / {row.passes} = {metrics.draft_tokens_per_step(steps):.3f}",
        "decode_seconds` / `seconds` (`study`)": (
            f"{run.seconds:.3f} - {run.first_token_seconds:.3f} = {row.seconds:.3f}"
        ),
        "tokens_per_second": f"{row.tokens} / {run.seconds:.3f} = {metrics.tokens_per_second(run):.3f}",
        "plain_seconds": f"{row.plain_seconds:.3f}",
        "speedup": f"{row.plain_seconds:.3f} / {row.seconds:.3f} = {row.speedup:.3f}",
        "modelled_seconds": f"{row.modelled_seconds:.3f}",
        "modelled_speedup": f"{decoded * costs.at(1):.3f} / {row.modelled_seconds:.3f} = {row.modelled_speedup:.3f}",
        "near_ties": f"{row.near_ties}",
        "break-even of 16": f"{1000 * costs.at(16):.1f} / {1000 * costs.at(1):.1f} = {needed:.3f}",
    }
    vllm = TEXT[TEXT.index("in_vllm_words") :]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", vllm, re.MULTILINE))
    assert rows == {
        "num_drafts": f"{of_draft}",
        "num_draft_tokens": f"{words['num_draft_tokens']}",
        "num_accepted_tokens": f"{words['num_accepted_tokens']}",
        "num_accepted_tokens_per_pos": ", ".join(map(str, words["num_accepted_tokens_per_pos"][:5])) + ", ...",
        "mean_acceptance_length": f"1 + {row.accepted} / {of_draft} = {words['mean_acceptance_length']:.3f}",
        "draft_acceptance_rate": f"{row.accepted} / {row.drafted} = {words['draft_acceptance_rate']:.3f}",
        "per_position_acceptance_rate": (
            f"{first} / {of_draft} = {first / of_draft:.3f}, {second} / {of_draft} = {second / of_draft:.3f}, ..."
        ),
    }
    assert list(rows) == list(words)


def test_the_splits_are_the_run_s(pair: RunPair) -> None:
    found = metrics.details(pair.run.steps)
    splits = _table("split")
    assert list(splits) == ["by_source", "by_depth", "by_match_length", "not_drafted"]
    for name, cells in splits.items():
        numbers = found[name]
        for label, accepted, drafted in re.findall(r"([\w-]+) (\d+) of (\d+)", cells[-1].replace(":", "")):
            assert (numbers[label]["accepted"], numbers[label]["drafted"]) == (int(accepted), int(drafted)), label
        for label, count in re.findall(r"([a-z_]+) (\d+)(?:,|$)", cells[-1] if name == "not_drafted" else ""):
            assert numbers[label] == int(count)
    assert {name: kind["drafted"] for name, kind in found["by_source"].items()} == {
        "prompt": 385, "model": 148, "output": 22,
    }  # fmt: skip
    depth = found["by_depth"]["1"]
    drafts = found["vllm"]["num_drafts"]
    assert f"{depth['drafted']} / {drafts} = {depth['drafted'] / drafts:.1f} tokens for the first position" in WORDS
    assert f"rate of depth 1 is {depth['accepted']} / {depth['drafted']} = {depth['rate']:.3f}" in WORDS


def test_the_adaptive_budget_is_what_a_replay_says(pair: RunPair) -> None:
    run = pair.run
    adaptive = replay_run(run, replace(run.config, budget="adaptive")).numbers(run)
    fixed = replay_run(run, run.config).numbers(run)
    rates = [f"{100 * numbers['acceptance_rate']:.0f} %" for numbers in (adaptive, fixed)]
    lengths = [f"{numbers['mean_accepted_tokens']:.1f}" for numbers in (adaptive, fixed)]
    assert f"would accept {rates[0]} of its draft tokens instead of {rates[1]}" in WORDS
    assert f"only {lengths[0]} tokens per pass instead of {lengths[1]}" in WORDS
    assert adaptive["decode_seconds"] < fixed["decode_seconds"]


def test_the_causes_are_those_of_a_study() -> None:
    assert tuple(_table("cause")) == tuple(CAUSE_NAMES)


def test_the_decision_tree_is_the_verdict_s() -> None:
    assert _table("reason") == {branch.reason: [branch.when, branch.then] for branch in DECISIONS}
