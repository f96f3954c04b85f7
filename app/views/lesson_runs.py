"""Recorded runs in lessons: drafted again at a width that can be taught, planted branches, and what a width costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.run.stored_run import StoredRun, from_record
from app.views.step_messages import model_line, since, step_data, steps_data
from app.views.typed_text import words
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter
from lookahead.metrics import node_statuses
from lookahead.records import RunRecord, StepRecord, StepTimings, TrieChange
from lookahead.replay import Replay, choices
from lookahead.runs import runfile
from lookahead.verify import verify

DRAFTS = LookaheadConfig(decoding_length=9, branch_length=4, budget="fixed")
"""Small enough to be read, wide enough to have branches."""
MOST_PLANTED = 4
"""Most tokens of a planted branch."""
MOST_LETTERS = 80
"""Longest planted text."""
MOST_TOKENS = 250
"""Most tokens of an output that are replayed for one width."""
MOST_WALKS = 6
"""Most steps of a recording that are walked down."""
MOST_ROWS = 4
"""Most recorded runs beside the typed text."""
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Recording:
    """A run as it was recorded, named by its file in words, and ``again``: the same run drafted with ``DRAFTS``."""

    name: str
    run: RunRecord
    again: StoredRun


def recordings(folder: Path) -> list[Recording]:
    """The recorded runs of a folder, without the greedy ones and those without texts, in the order of their names."""
    found = []
    for path in sorted(folder.glob("*.json")):
        run = None if path.name.endswith(".greedy.json") else runfile.load(path)
        if run and run.method == "lookahead" and run.texts and len(run.token_ids) > 1:
            found.append(Recording(path.stem.replace("-", " "), run, from_record(drafted_again(run))))
    return found


def drafted_again(run: RunRecord) -> RunRecord:
    """The run with other drafts: its output is fixed, so real drafting and verification can be replayed on it.

    The model's choice is known on the accepted path alone; elsewhere ``target_ids`` says -1.
    """
    output_ids, done = run.token_ids, 1
    prefill = run.steps[0]
    steps = [replace(prefill, finish_reason=None)]
    for step in Replay(Drafter(DRAFTS).start(run.prompt_ids), output_ids, DRAFTS):
        tree, following = step.draft, output_ids[done:]
        accepted = verify(tree, choices(tree, following[:-1])).accepted_nodes[: step.accepted]
        targets = [
            choice if node in (0, *accepted) else UNKNOWN for node, choice in enumerate(choices(tree, following))
        ]
        context = len(run.prompt_ids) + done
        record = (len(steps), context, tree.match_length, tree, tuple(targets), accepted, following[: step.emitted])
        steps.append(StepRecord(*record, timings=StepTimings(), trie=TrieChange()))
        done += step.emitted
    steps[-1] = replace(steps[-1], finish_reason=run.finish_reason)
    return replace(run, steps=tuple(steps), config=DRAFTS)


def telling(found: Sequence[Recording]) -> tuple[Recording, int] | None:
    """The recording and step that teach most: several branches, tokens accepted, rejected and not reached, no token
    drafted twice, and more output after it; the first of equal ones. None if nothing was drafted."""
    places = [(one, step.index) for one in found for step in one.again.steps if step.draft]
    return max(places, key=lambda place: _tells(*place), default=None)


def _tells(recording: Recording, index: int) -> float:
    run = recording.again
    step = run.steps[index]
    draft = step.draft
    assert draft is not None
    statuses, tip = node_statuses(step), step.accepted_nodes[-1] if step.accepted_nodes else 0
    ends_rejected = any(draft.parents[node] == tip for node in range(1, len(draft)))
    texts = [run.texts.token_text(token_id) for token_id in draft.token_ids]
    goals = (
        2 * (len(step.accepted_nodes) >= 2),
        2 * ends_rejected,
        2 * (len(set(range(1, len(draft))) - set(draft.parents)) in (3, 4)),
        statuses.count("unchecked") > 0,
        statuses.count("rejected") > 1,
        sum(len(later.emitted_ids) for later in run.steps[index + 1 :]) > MOST_PLANTED,
        2 * all(text.strip().isalnum() for text in texts) or all(text.strip() for text in texts),
        2 * (_twice(step) == 0),
    )
    return sum(goals)


def walks(run: StoredRun, first: int) -> list[int]:
    """Steps to walk down: the first, then one whose guesses are all wrong if there is one, then others with more than
    one child to choose from; at most ``MOST_WALKS``."""
    wrong, partly = [], []
    for step in run.steps:
        draft = step.draft
        if draft is None or step.index == first or len(draft) < 4 or len(set(draft.parents)) < 4:
            continue
        (partly if step.accepted_nodes else wrong).append(step.index)
    wrong.sort(key=lambda index: _twice(run.steps[index]))
    return [first, *wrong[:1], *partly][:MOST_WALKS]


def _twice(step: StepRecord) -> int:
    """How many draft tokens are drafted at another node, too."""
    draft = step.draft
    return 0 if draft is None else len(draft) - len(set(draft.token_ids))


def start(recording: Recording, step: int) -> dict[str, Any]:
    """The recording for the page: its message, the step to begin with, and the steps to walk down."""
    return {
        "name": recording.name,
        "model": model_line(recording.run.model),
        "step": step,
        "walks": walks(recording.again, step),
        "message": since(recording.again, 0),
    }


# ------------------------------------------------------------------ planting


def planted(run: StoredRun, index: int, text: str | None) -> dict[str, Any]:
    """A step with a branch of the visitor's own at the end of its accepted path, verified by the engine's own code.

    None for the text plants what the recorded output says next, so the right branch.

    Raises:
        ValueError: If the step has no draft, or the text is blank or too long.
    """
    step = run.steps[index] if 0 <= index < len(run.steps) else None
    if step is None or step.draft is None:
        raise ValueError("this step has no draft")
    if text is not None and (not isinstance(text, str) or len(text) > MOST_LETTERS):
        raise ValueError(f"a branch of at most {MOST_LETTERS} characters")
    if text is not None and not text.strip():
        raise ValueError("Type something first.")
    done = sum(len(one.emitted_ids) for one in run.steps[:index])
    output_ids = tuple(token_id for one in run.steps for token_id in one.emitted_ids)
    pieces = [piece for data in steps_data(run) for _, piece, _ in data["emitted"]]
    start = done + len(step.accepted_nodes)
    typed = _branch(text, output_ids[start:-1], pieces[start:-1])
    branch = typed[:MOST_PLANTED]
    tree, nodes, invented = _with_branch(step, branch, run)
    targets = _targets(step, tree, nodes, output_ids[start:])
    verdict = verify(tree, targets)
    emitted = verdict.emitted_ids(tree)
    same = emitted == output_ids[done : done + len(emitted)]
    changed = replace(
        step, draft=tree, target_ids=tuple(targets), accepted_nodes=verdict.accepted_nodes, emitted_ids=emitted
    )

    def token_text(token_id: int) -> str:
        return invented[token_id] if token_id in invented else run.texts.token_text(token_id)

    return {
        "step": step_data(changed, pieces[done : done + len(emitted)], token_text, 0.0),
        "nodes": nodes,
        "known": sum(node < len(step.draft) for node in nodes),
        "cut": text is not None and len(typed) > MOST_PLANTED,
        "accepted": len(set(nodes) & set(verdict.accepted_nodes)),
        "emitted": len(emitted),
        "before": len(step.emitted_ids),
        "same": same,
        "texts": {
            "past": "".join(pieces[:done])[-120:],
            "after": "".join(pieces[:start])[-30:],
            "now": "".join(pieces[done : done + len(emitted)]),
            "rest": "".join(pieces[done + len(emitted) :]),
        },
    }


def _branch(text: str | None, ids: Sequence[int], pieces: Sequence[str]) -> list[tuple[int | None, str]]:
    """A planted text as tokens: the output's own as far as it says the same, then words; the output for None.

    An id is None where the recording knows no token of that text.
    """
    own = list(zip(ids, pieces, strict=True))
    if text is None:
        return [*own[:MOST_PLANTED]]
    found: list[tuple[int | None, str]] = []
    text = rest = text.strip()
    for token_id, piece in own:
        wanted = piece if rest != text else piece.lstrip()
        if not (rest and rest.startswith(wanted)):
            break
        found.append((token_id, piece))
        rest = rest[len(wanted) :]
    if rest == text:  # nothing but the spaces before it agreed
        found.clear()
    return [*found, *((None, word) for word in re.findall(r"\s*\S+", rest))]


def _with_branch(
    step: StepRecord, branch: Iterable[tuple[int | None, str]], run: StoredRun
) -> tuple[DraftTree, list[int], dict[int, str]]:
    """The step's draft with a branch at the end of the accepted path: the tree, the branch's nodes, and the texts of
    tokens that the recording does not know."""
    draft = step.draft
    assert draft is not None
    ids, parents = list(draft.token_ids), list(draft.parents)
    at = step.accepted_nodes[-1] if step.accepted_nodes else 0
    nodes: list[int] = []
    invented: dict[int, str] = {}
    for token_id, text in branch:
        below = [node for node in range(1, len(ids)) if parents[node] == at]
        named = [node for node in below if run.texts.token_text(ids[node]).strip() == text.strip()]
        known = next(
            (node for node in below if ids[node] == token_id), named[0] if token_id is None and named else None
        )
        if known is None:
            if token_id is None:
                token_id = run.model.vocab_size + len(invented)
                invented[token_id] = text
            ids.append(token_id)
            parents.append(at)
            known = len(ids) - 1
        nodes.append(known)
        at = known
    more = len(ids) - len(draft)
    tree = DraftTree(
        tuple(ids), tuple(parents), (*draft.probabilities, *[0.0] * more),
        (*draft.sources, *["planted"] * more), (*draft.counts, *[0] * more), draft.match_length,
    )  # fmt: skip
    tree.check()
    return tree, nodes, invented


def _targets(step: StepRecord, tree: DraftTree, nodes: Sequence[int], following: Sequence[int]) -> list[int]:
    """The model's choice at every node: as recorded, and along the planted branch while it agrees with the output."""
    targets = [*step.target_ids, *[UNKNOWN] * (len(tree) - len(step.target_ids))]
    for place, node in enumerate(nodes):
        if tree.token_ids[node] != following[place]:
            break
        targets[node] = following[place + 1]
    return targets


# ------------------------------------------------------------------ what a width costs


def pays(found: Sequence[Recording], costs: PassCosts, question: dict[str, Any]) -> dict[str, Any]:
    """What each recorded run, and a typed text word by word, would take with passes of this width.

    Times are sums of T(n) alone; a text is slower than plain decoding where its tokens per pass are fewer than the
    passes are dearer.
    """
    width, text, warm = question.get("width"), question.get("text"), question.get("warm") is True
    if type(width) is not int or not 2 <= width <= 64:
        raise ValueError(f"width={str(width)[:20]}; need 2 to 64")
    if not isinstance(text, str) or len(text) > 6 * MOST_TOKENS:
        raise ValueError(f"a text of at most {6 * MOST_TOKENS} characters")
    config = LookaheadConfig(decoding_length=width, budget="adaptive" if question.get("adaptive") is True else "fixed")
    known: dict[str, int] = {}
    typed = tuple(known.setdefault(word, len(known)) for word in words(text)[:MOST_TOKENS])
    rows = [("Your text", typed[:1], typed[1:])] if len(typed) > 2 else []  # its first word is the prompt
    rows += [(one.name, one.run.prompt_ids, one.run.token_ids[:MOST_TOKENS]) for one in found[:MOST_ROWS]]
    return {
        "rows": [_replayed(name, prompt, output, config, costs, warm) for name, prompt, output in rows],
        "needed": costs.break_even(width) + 1.0,
    }


def _replayed(
    name: str, prompt: Sequence[int], output: Sequence[int], config: LookaheadConfig, costs: PassCosts, warm: bool
) -> dict[str, Any]:
    drafter = Drafter(config)
    if warm:
        drafter.keep(output)
    table = costs.table(config.decoding_length) if config.budget == "adaptive" else None
    steps = list(Replay(drafter.start(prompt), output, config, pass_seconds=table, accept_last=True))
    passes, tokens = len(steps), sum(step.emitted for step in steps)
    seconds = sum(costs.at(len(step.draft)) for step in steps)
    return {
        "name": name,
        "tokens": tokens,
        "passes": passes,
        "per_pass": tokens / passes,
        "width": sum(len(step.draft) for step in steps) / passes,
        "needed": seconds / passes / costs.at(1),
        "times_faster": tokens * costs.at(1) / seconds,
    }
