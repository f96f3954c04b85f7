"""Losses: every pass that did not end with the output has one cause, and the causes mean what they say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import Chain
from lookahead.sources.recycled import RecycledLogits
from lookahead.study.losses import _seen, losses, lost_tokens, summed
from lookahead.study.material import Sample
from lookahead.study.replayed import replayed
from lookahead.study.result import Loss
from tests.lookahead.fake_backend import row
from tests.lookahead.study.samples import FLAT, STEEP, configs, corpus, recorded, traces

BASE = LookaheadConfig()


@settings(max_examples=40)
@given(traces, configs, st.sampled_from([None, FLAT, STEEP]))
def test_the_passes_of_all_causes_are_the_passes_that_did_not_end_with_the_output(samples, config, costs):
    for sample in samples:
        found, worst = losses(sample, config, costs, (corpus(),))
        passes = len(list(replayed(sample, config, costs, corpus=(corpus(),))))
        assert sum(loss.passes for loss in found) == max(0, passes - 1)
        for loss in found:
            assert loss.tokens == 0 if loss.cause == "unseen" else loss.tokens >= loss.passes
        assert all(loss.tokens < len(sample.output_ids or ()) for loss in found)
        assert (worst is None) == all(loss.tokens == 0 for loss in found)


@settings(max_examples=25)
@given(traces, configs)
def test_a_setting_that_cannot_cut_loses_only_what_was_not_seen_or_was_outranked(samples, config):
    # Six tokens have 258 branches of up to three; a longer path than two accepted ones is cut there.
    free = replace(
        config, decoding_length=300, branch_length=3, budget="fixed", strategy="hierarchical", ranking="probability"
    )
    for sample in samples:
        accepted = [step.accepted for step in replayed(sample, free)]
        for one in lost_tokens(sample, free):
            cut = one.cause == "branch_length" and accepted[one.step - 1] == 3
            assert one.cause in ("unseen", "outranked") or cut


@given(traces, configs)
def test_only_the_settings_bounds_are_named(samples, config):
    causes = {one.cause for sample in samples for one in lost_tokens(sample, config)}
    if config.budget == "fixed":
        assert "pays" not in causes
    if config.branch_length is None:
        assert "branch_length" not in causes
    if config.strategy == "hierarchical":
        assert "strategy" not in causes
    assert "pruned" not in causes
    if not {"prompt", "output"} & set(config.sources):
        assert causes <= {"unseen"}


@settings(max_examples=40)
@given(traces, st.sampled_from([4, 64]))
def test_a_token_was_seen_if_and_only_if_it_was_after_the_one_before_it(samples, width):
    """Frequent tokens fill a draft where no context matches; that one of them was right is no repeat."""
    config = replace(BASE, decoding_length=width, budget="fixed", sources=("prompt", "output"))
    for sample in samples:
        outputs, done = sample.output_ids or (), 1
        lost = {one.step: one for one in lost_tokens(sample, config)}
        for number, step in enumerate(replayed(sample, config), start=1):
            pairs = set(pairwise([*sample.prompt_ids, *outputs[:done]]))  # what the draft was made from
            done += step.emitted
            if number in lost:
                assert lost[number].place == done - 1
                assert (lost[number].cause == "unseen") == (outputs[done - 2 : done] not in pairs)


def test_one_output_for_each_cause():
    sample = Sample("a", (1, 2, 3, 4, 5, 9, 1, 2, 3, 4, 6, 9), (1, 2, 3, 4, 7, 1, 2, 3, 4, 5, 9, 1, 2, 3, 4, 6, 8))

    def causes(**changes) -> set[str]:
        return {one.cause for one in lost_tokens(sample, replace(BASE, budget="fixed", **changes), None)}

    assert "unseen" in causes()  # 7 and 8 are new
    assert "branch_length" in causes(branch_length=2)
    assert "strategy" in causes(strategy="single")
    assert "width" in causes(decoding_length=3)
    assert "pays" in {one.cause for one in lost_tokens(sample, BASE, STEEP)}


def test_a_token_that_several_passes_lost_counts_once():
    sample = Sample("a", tuple(range(20)), tuple(range(20)))
    fixed = replace(BASE, decoding_length=2, budget="fixed")
    lost = list(lost_tokens(sample, fixed))
    assert sum(one.tokens for one in lost) > 20  # each pass lost all that came after it
    ((loss,), worst) = losses(sample, fixed)
    assert (loss.passes, worst) == (len(lost), lost[0])
    assert loss.tokens == 20 - lost[0].place


def test_the_cost_of_a_lost_token_is_what_the_sources_would_have_gone_on_with():
    sample = Sample("a", (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 5, 6, 7, 8, 0))
    lost = list(lost_tokens(sample, replace(BASE, branch_length=1)))
    # After "1" the draft is "2": the pass ends with 3, and 4 to 8 would have followed it.
    assert (lost[0].step, lost[0].cause, lost[0].tokens) == (1, "branch_length", 6)
    assert losses(sample, replace(BASE, branch_length=1))[1] == lost[0]


def test_what_a_small_trie_has_forgotten_is_called_pruned():
    new, again = tuple(range(100, 3_100)), tuple(range(100, 130))
    sample = Sample("again", (7,), new + again)
    lost = list(lost_tokens(sample, replace(BASE, trie_capacity=2_000)))
    assert {one.cause for one in lost[: len(new) - 2]} == {"unseen"}
    assert "pruned" in {one.cause for one in lost[len(new) - 2 :]}
    assert "pruned" not in {one.cause for one in lost_tokens(sample, BASE)}


def test_on_recorded_runs_of_trees_and_of_chains():
    for chain in (None, Chain(), Chain(rereads=False)):
        run = recorded(chain)
        sample = Sample("run", run.prompt_ids, run=run)
        found, worst = losses(sample, run.config, run.pass_costs)
        assert sum(loss.passes for loss in found) == len(run.steps) - 2
        assert worst is None or 1 <= worst.step < len(run.steps)


def test_losses_of_several_samples_add_up():
    both = summed([Loss("unseen", 2, 0), Loss("width", 3, 9), Loss("unseen", 2, 0)])
    assert both == (Loss("unseen", 4, 0), Loss("width", 3, 9))


def test_a_token_that_was_only_likely_lately_was_never_seen_there():
    source = RecycledLogits()
    source.read([4, 5], [-1, 0], row(6) + row(7))
    source.follow([8])
    assert any(source.holds(level, 7) for level in source.levels(source.locus()))
    assert not _seen([source], [], 7)
    source.follow([5])
    assert _seen([source], [], 7)
