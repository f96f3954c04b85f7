"""Bench: the same tokens with every method, the numbers of the contract, methods in turn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lookahead.backend import BackendError
from lookahead.bench import METHODS, Bench, BenchPlan
from lookahead.cli.bench import _same
from lookahead.cli.main import main
from lookahead.config import LookaheadConfig
from lookahead.hf import HFBackend
from lookahead.hf.reference import run_reference
from lookahead.records import TimedRun
from lookahead.setting import settings_of
from tests.lookahead.tiny_models import tiny_mamba
from tests.lookahead.tiny_models import tiny_model as make_tiny

NUMBERS = {
    "tokens",
    "seconds",
    "decode_seconds",
    "tokens_per_second",
    "forward_passes",
    "mean_accepted_tokens",
    "identical_to_hf_greedy",
    "identical_to_reference",
    "vllm",
}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bench") / "prompts.jsonl"
    path.write_text('{"prompt": "abcabcabc"}\n\n{"prompt": "é…é…", "task": "other fields are left alone"}\n')
    return str(path)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["bench", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_json_is_the_contract(tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "24", "--repeat", "2")
    result = _json(capsys, *common, "--decoding-length", "8", "--budget", "fixed")
    assert set(result["methods"]) == set(METHODS)
    for name, numbers in result["methods"].items():
        assert set(numbers) == NUMBERS
        assert numbers["identical_to_hf_greedy"] is True
        assert numbers["tokens"] == result["methods"]["hf-greedy"]["tokens"]
        assert 0 < numbers["decode_seconds"] < numbers["seconds"]
        assert result["speedup"][name] > 0
        assert result["decode_speedup"][name] > 0
    assert result["reference"] == "hf-greedy"
    assert result["speedup"]["hf-greedy"] == 1.0
    assert "rows" not in result
    assert {name: numbers["vllm"] is None for name, numbers in result["methods"].items()} == {
        "greedy": False, "lookahead": False, "hf-greedy": True, "hf-prompt-lookup": True,
    }  # fmt: skip
    assert result["methods"]["lookahead"]["vllm"]["mean_acceptance_length"] > 1
    assert result["methods"]["greedy"]["vllm"]["num_drafts"] == 0
    plain = result["methods"]["hf-greedy"]
    assert plain["forward_passes"] == plain["tokens"]
    assert plain["mean_accepted_tokens"] == 1.0
    assert result["methods"]["lookahead"]["forward_passes"] < plain["forward_passes"]
    assert result["environment"]["pass_costs"]["lengths"][0] == 1
    assert result["environment"]["exactness"] == "within rounding"
    assert settings_of(LookaheadConfig).keys() <= result["environment"].keys()
    for key in ("python", "torch", "transformers", "cpu_capability", "threads", "device", "dtype", "model"):
        assert result["environment"][key]


def test_with_a_temperature_all_methods_draw_the_same(
    tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "12", "--repeat", "1")
    result = _json(capsys, *common, "--temperature", "0.9", "--top-p", "0.9", "--seed", "3")
    assert all(numbers["identical_to_hf_greedy"] is True for numbers in result["methods"].values())
    assert {name: result["environment"][name] for name in ("temperature", "top_p", "top_k", "seed")} == {
        "temperature": 0.9, "top_p": 0.9, "top_k": None, "seed": 3,
    }  # fmt: skip


def test_results_keep_the_word_that_the_caller_wrote(
    tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "4", "--repeat", "1")
    numbers = [_json(capsys, *common, "--methods", word)["methods"] for word in ("greedy", " plain")]
    assert [list(methods) for methods in numbers] == [["greedy"], ["plain"]]
    counts = [
        {**methods.popitem()[1], "seconds": 0, "decode_seconds": 0, "tokens_per_second": 0} for methods in numbers
    ]
    assert counts[0] == counts[1]
    assert counts[0]["mean_accepted_tokens"] == 1.0


def test_without_the_reference_there_is_no_speedup(
    tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "4", "--repeat", "1", "--warm")
    result = _json(capsys, *common, "--methods", "lookahead")
    assert list(result["methods"]) == ["lookahead"]
    assert result["speedup"] == {"lookahead": None}
    assert result["methods"]["lookahead"]["identical_to_hf_greedy"] is None


@pytest.mark.parametrize("word", ["greedy", "plain"])
def test_without_hf_greedy_this_library_s_plain_decoding_is_the_reference(
    word: str, tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "12", "--repeat", "2")
    result = _json(capsys, *common, "--methods", f"lookahead,{word}", "--rows")
    assert result["reference"] == word
    assert result["speedup"][word] == 1.0
    assert result["speedup"]["lookahead"] > 0
    assert result["parted"] == {"lookahead": [], word: []}
    ours = result["methods"]["lookahead"]
    assert (ours["identical_to_hf_greedy"], ours["identical_to_reference"]) == (None, True)
    rows = result["rows"]
    assert [(row["prompt"], row["method"]) for row in rows] == [
        (1, "lookahead"), (1, word), (2, "lookahead"), (2, word),
    ]  # fmt: skip
    for name, numbers in result["methods"].items():
        of_method = [row for row in rows if row["method"] == name]
        for field in ("tokens", "forward_passes"):
            assert sum(row[field] for row in of_method) == numbers[field]
        for row in of_method:
            decodes = row["forward_passes"] - 1
            assert row["mean_accepted_tokens"] == pytest.approx((row["tokens"] - 1) / decodes)
            assert row["speedup"] > 0
    assert all(row["speedup"] == row["decode_speedup"] == 1.0 for row in rows if row["method"] == word)
    assert main(["bench", *common, "--methods", f"{word},lookahead", "--rows"]) == 0
    printed = capsys.readouterr().out
    assert f"compared with {word}" in printed
    assert len([line for line in printed.splitlines() if line.split()[:2] in (["1", word], ["2", "lookahead"])]) == 2


def test_a_row_is_the_median_of_its_own_repeats() -> None:
    bench = _Calls(BenchPlan([[0], [1]], ["hf-greedy", "lookahead"], LookaheadConfig(), 4, repeat=3))

    def runs(*seconds: float) -> list[TimedRun]:
        return [TimedRun((5, 6, 7), each, each / 2, 2, 2, ((4, 1),)) for each in seconds]

    bench.runs = {"hf-greedy": [runs(4, 8), runs(6, 8), runs(4, 8)], "lookahead": [runs(2, 1), runs(1, 2), runs(4, 8)]}
    first, second = (row for row in bench.rows() if row["method"] == "lookahead")
    assert (first["seconds"], first["decode_seconds"], first["speedup"]) == (2, 1, 2)  # the median of 2, 6 and 1
    assert (second["seconds"], second["speedup"], second["mean_accepted_tokens"]) == (2, 4, 2.0)


def test_an_output_that_differs_is_a_near_tie_or_a_bug() -> None:
    backend = HFBackend(make_tiny("llama", torch.float32))
    bench = Bench(backend, BenchPlan([[3, 1, 4], [1, 5, 9]], ["hf-greedy", "lookahead"], LookaheadConfig(), 8))
    bench.run()
    assert bench.result()["parted"] == {"hf-greedy": [], "lookahead": []}
    one, two = bench.runs["lookahead"][0]
    other = (one.token_ids[3] + 1) % backend.vocab_size
    bench.runs["lookahead"][0] = [
        replace(one, token_ids=(*one.token_ids[:3], other, *one.token_ids[4:])),
        replace(two, token_ids=two.token_ids[:5]),
    ]
    changed, shorter = bench.result()["parted"]["lookahead"]
    assert (changed["prompt"], changed["token"], changed["near_tie"]) == (1, 3, False)
    assert changed["gap"] > max(0.01, changed["noise"])
    assert shorter == {"prompt": 2, "token": 5, "gap": None, "noise": None, "near_tie": False}
    assert _same(False, [changed, shorter]) is False
    assert _same(False, [{**changed, "near_tie": True}]) == "near ties"
    assert _same(True, []) is True


def test_a_table_for_people(tiny_model: Path, prompts: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["bench", "--prompts", prompts, "--model", str(tiny_model), "--max-new-tokens", "4", "--repeat", "1"]
    assert main(common) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert all(method in printed.out for method in METHODS)
    assert "T(n) in ms" in printed.out
    assert "draft verification: within rounding" in printed.out


class _Calls(Bench):
    """A bench that notes methods and drafters, and runs nothing."""

    def __init__(self, plan: BenchPlan) -> None:
        self._plan = plan
        self._tick = lambda: None
        self.runs = {method: [] for method in plan.methods}
        self.calls: list[tuple[str, int]] = []
        self.drafters: list[object] = []

    def _once(self, method, prompt_ids, drafter, max_new_tokens):
        self.calls.append((method, prompt_ids[0]))
        self.drafters.append(drafter)
        return TimedRun((), 1.0, 1.0, 1, 0)


@pytest.mark.parametrize("warm", [True, False])
def test_methods_take_turns_and_cold_means_an_empty_trie(warm: bool) -> None:
    plan = BenchPlan([[0], [1], [2]], ["greedy", "lookahead"], LookaheadConfig(), 4, repeat=2, warm=warm)
    bench = _Calls(plan)
    bench.run()
    timed, drafters = bench.calls[2:], bench.drafters[2:]
    assert [method for method, _ in timed[0:4]] == ["greedy", "lookahead", "lookahead", "greedy"]
    assert [method for method, _ in timed[6:8]] == ["lookahead", "greedy"]
    assert len({id(drafter) for drafter in drafters}) == (2 if warm else 12)


def test_random_shapes_have_the_parameters_that_their_names_say() -> None:
    from lookahead.hf.shapes import random_backend

    backend = random_backend("10m")
    assert 9e6 < backend.model.num_parameters() < 11e6
    assert backend.eos_ids == ()
    assert random_backend("10m").model.state_dict()["model.norm.weight"].shape == (320,)


def test_trained_weights_give_the_same_tokens_by_every_method(
    stories260k: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Once upon a time"}\n{"prompt": "Lily and Tom went to the park."}\n')
    result = _json(
        capsys, "--prompts", str(path), "--model", str(stories260k), "--max-new-tokens", "60", "--repeat", "1"
    )
    assert all(numbers["identical_to_hf_greedy"] for numbers in result["methods"].values())
    assert all(numbers["tokens"] > 60 for numbers in result["methods"].values())


def test_prompt_lookup_on_a_model_that_cannot_take_tokens_back_is_refused_by_name() -> None:
    backend = HFBackend(tiny_mamba())
    with pytest.raises(BackendError, match="no prompt lookup for MambaForCausalLM; leave hf-prompt-lookup out"):
        run_reference(backend, [5, 6], 4, (), prompt_lookup=True)
    assert len(run_reference(backend, [5, 6], 4, (), prompt_lookup=False).token_ids) == 4
