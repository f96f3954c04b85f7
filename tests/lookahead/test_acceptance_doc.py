"""``assets/docs/acceptance.md``: its numbers are those of the recorded run, its tables those of the code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lookahead import metrics
from lookahead.cli.main import main
from lookahead.replay import replay_run
from lookahead.runs import runfile
from lookahead.runs.runfile import RunPair
from lookahead.study.decisions import DECISIONS
from lookahead.study.losses import losses
from lookahead.study.material import Sample, sample_of
from lookahead.study.result import CAUSE_NAMES
from lookahead.study.rows import row_of
from lookahead.study.verdict import verdict

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "assets" / "docs" / "acceptance.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())
RUN = ROOT / "assets" / "runs" / "question.json"
MEASURED = (DOCUMENT.parent / "measurements.md").read_text(encoding="utf-8")

CODES = {name: code for code, name in CAUSE_NAMES.items()}


def _table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table whose first heading is this one, by their first cell."""
    rows = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert rows, heading
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in rows[1].splitlines()]
    return {first.strip("` "): rest for first, *rest in cells}


@pytest.fixture(scope="module")
def pair() -> RunPair:
    return runfile.load_pair(RUN)


def test_the_examples_are_of_one_run() -> None:
    assert set(re.findall(r"assets/runs/[\w.-]+", TEXT)) == {"assets/runs/question.json"}


def test_the_pass_by_hand(pair: RunPair) -> None:
    run = pair.run
    step = run.steps[12]
    assert step.draft is not None
    assert run.texts is not None
    words = [run.texts.tokens[token] for token in step.draft.token_ids]
    written = [run.texts.tokens[token] for one in run.steps[:13] for token in one.emitted_ids]
    assert "".join(written).endswith(" The Harlow ferry was built by the ship")
    assert [words[0], *written[-4:]] == [" was", " built", " by", " the", " ship"]
    assert len(step.emitted_ids) == 4
    statuses = metrics.node_statuses(step)
    assert {status: statuses.count(status) for status in ("accepted", "rejected", "unchecked")} == {
        "accepted": 3, "rejected": 1, "unchecked": 11,
    }  # fmt: skip
    branches = {}  # last node -> the tokens to it
    for node, (word, parent) in enumerate(zip(words, step.draft.parents, strict=True)):
        branches[node] = [*branches.get(parent, []), word.strip() or "␣"]
    ends = [" ── ".join(words) for node, words in branches.items() if node not in step.draft.parents]
    drawn = re.search(r"was ── .* ─┬.*?(?=\n```)", TEXT, re.DOTALL)
    assert drawn
    first, second = drawn[0].splitlines()
    shared = first.split(" ─┬─ ")[0]
    assert sorted(ends) == sorted([first.replace("─┬─", "──"), f"{shared} ── {second.split('└─ ')[1]}"])
    assert "It drafted 15, checked 4 and accepted 3." in TEXT


def test_every_number_is_the_run_s(pair: RunPair) -> None:
    run, plain = pair.run, pair.greedy
    assert plain is not None
    assert run.pass_costs is not None
    assert run.first_token_seconds is not None
    steps, costs = run.steps, run.pass_costs
    row = row_of(sample_of(Sample(RUN.name, ()), pair), run.config, costs)
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
        for label, count in re.findall(r"([a-z_ ]+) (\d+)(?:,|$)", cells[-1] if name == "not_drafted" else ""):
            assert numbers[CODES[label.strip()]] == int(count)
    assert {name: kind["drafted"] for name, kind in found["by_source"].items()} == {
        "model": 346, "prompt": 160, "output": 64,
    }  # fmt: skip
    depth = found["by_depth"]["1"]
    drafts = found["vllm"]["num_drafts"]
    assert f"{depth['drafted']} / {drafts} = {depth['drafted'] / drafts:.1f} tokens for the first position" in WORDS
    assert f"rate of depth 1 is {depth['accepted']} / {depth['drafted']} = {depth['rate']:.3f}" in WORDS
    first = depth["accepted"] / drafts
    assert f"was among them in {depth['accepted']} / {drafts} = {first:.3f} of the drafts" in WORDS
    assert f"right in {100 * first:.1f} % of its drafts would report {first:.3f}." in WORDS


def test_the_adaptive_budget_is_what_a_replay_says(pair: RunPair) -> None:
    run = pair.run
    adaptive = replay_run(run, replace(run.config, budget="adaptive")).numbers(run)
    fixed = replay_run(run, run.config).numbers(run)
    rates = [f"{100 * numbers['acceptance_rate']:.0f} %" for numbers in (adaptive, fixed)]
    lengths = [f"{numbers['mean_accepted_tokens']:.1f}" for numbers in (adaptive, fixed)]
    assert f"would accept {rates[0]} of its draft tokens instead of {rates[1]}" in WORDS
    assert f"only {lengths[0]} tokens per pass instead of {lengths[1]}" in WORDS
    assert adaptive["decode_seconds"] < fixed["decode_seconds"]


def test_where_the_run_lost_acceptance_is_what_a_study_says(pair: RunPair) -> None:
    run, table = pair.run, _table("cause")
    sample = sample_of(Sample(RUN.name, ()), pair)
    lost, _ = losses(sample, run.config, run.pass_costs)
    assert {name: cells[0].strip("`") for name, cells in table.items()} == {
        name: code for code, name in CAUSE_NAMES.items()
    }
    assert {CODES[name]: cells[-1] for name, cells in table.items() if cells[-1]} == {
        one.cause: f"{one.passes} passes, {one.tokens} tokens" for one in lost
    }
    row = msgspec.structs.replace(row_of(sample, run.config, run.pass_costs), losses=lost)
    passes = {one.cause: one.passes for one in lost}
    ended = sum(passes.values())
    share = f"{100 * passes['outranked'] / ended:.0f} %"
    said = verdict([row], run.config, run.pass_costs)
    assert f"{share} of the passes ended where the draft held other tokens" in said.text
    assert f'verdict on this run is "{said.reason}", as {passes["outranked"]} of {ended} passes are {share}' in WORDS
    assert f"{passes['width']} were cut by decoding_length" in WORDS


def test_other_widths_are_what_a_replay_says(pair: RunPair) -> None:
    run = pair.run
    wide, own, narrow = (replay_run(run, replace(run.config, decoding_length=n)).numbers(run) for n in (32, 16, 8))
    length, seconds = "mean_accepted_tokens", "decode_seconds"
    assert (
        f"with 32 nodes the run has {wide[length]:.1f} tokens per pass and takes {wide[seconds]:.1f} s instead of "
        f"{own[seconds]:.1f} s, with 8 nodes {narrow[length]:.1f} tokens per pass and {narrow[seconds]:.1f} s"
    ) in WORDS


def test_typical_ranges_are_the_measured_ones() -> None:
    """A failure means that ``measurements.md`` has newer figures than the table of ranges."""
    ranges = _table("kind of text")
    traces = {
        (name, int(width)): (float(cold), float(shared))
        for name, width, cold, shared in re.findall(
            r"^\| (\w+) \| (16|64) \| ([\d.]+) \|.*?\| ([\d.]+) \|", MEASURED, re.M
        )
    }
    names = {"chat": "chat", "word problems": "math", "questions to passages": "rag", "edits of code": "code_edit"}
    for kind, name in names.items():
        full = [f"{traces[name, n][0]:.1f} ({100 * (traces[name, n][0] - 1) / (n - 1):.0f} %)" for n in (16, 64)]
        assert ranges[kind][2:] == [*full, f"{traces[name, 64][1]:.1f}"], kind
    live = re.search(r"\| \| (chat .*) \|\n.*\n\| lookahead \| (.*) \|\n", MEASURED)
    assert live
    for kind, cell in zip(live[1].split(" | "), live[2].split(" | "), strict=True):
        speedup, length = map(float, re.findall(r"[\d.]+", cell))
        assert ranges[kind][:2] == [f"{length:.1f}", f"{speedup:.1f}"], kind


def test_the_decision_tree_is_the_verdict_s() -> None:
    plain = {reason: [cell.replace("`", "") for cell in cells] for reason, cells in _table("reason").items()}
    assert plain == {branch.reason: [branch.when, branch.then] for branch in DECISIONS}


def test_every_flag_of_a_remedy_is_one_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("generate", "bench", "study", "costs"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    known = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.M))
    assert set(re.findall(r"--[a-z-]+", "".join(branch.then for branch in DECISIONS))) <= known
