"""Why drafts pay or do not: a decision tree as a table, read from the top; the first branch that holds is the reason.

The verdict of a study takes its reason from here, and ``assets/docs/acceptance.md`` describes the same branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lookahead.study.result import CAUSE_NAMES

SHORT_OUTPUT = 16
"""Outputs of fewer tokens on average are short: the prefill takes most of the time, and a run learns little."""
STEEP = 1.6
"""A pass of 2 tokens that takes more than this many times one of 1 token makes drafts hard to pay for."""
SLOW_DRAFTS = 0.25
"""Drafting takes much time from this share of T(1) on."""
MOSTLY, MUCH = 0.5, 0.3
"""Shares of passes from which on a cause is called the main one, or one of the main ones."""
CUTS = ("width", "branch_length", "strategy")
"""Causes that are bounds of the setting itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a study found, as far as its verdict depends on it.

    Attributes:
        output_tokens: Mean tokens of an output.
        tokens_per_pass: Tokens of the decode passes per pass; 0 without a pass.
        pays: Whether it is faster than plain decoding; None if that is not sure.
        empty: Share of the passes without a draft.
        shares: Cause -> its share of the passes that did not end with the output.
        steep: T(2) / T(1); None without T(n).
        bent_at: A length whose measured time can hardly be; None if all can.
        drafting: Drafting time of a pass / T(1); 0 if unknown.
        chain: Whether the model takes one branch only.
        off: Sources that could have drafted and are switched off.
    """

    passes: int
    output_tokens: float
    tokens_per_pass: float = 0.0
    pays: bool | None = None
    empty: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    steep: float | None = None
    bent_at: int | None = None
    drafting: float = 0.0
    chain: bool = False
    off: tuple[str, ...] = ()

    def share(self, *causes: str) -> float:
        """Share of the passes that ended for one of these causes."""
        return sum(self.shares.get(cause, 0.0) for cause in causes)

    @property
    def ends(self) -> str:
        """The cause that ended most passes, to be read after what they bring; empty if there is none."""
        cause = max(self.shares, key=self.share, default="")
        return f'; {100 * self.share(cause):.0f} % of the passes ended as "{CAUSE_NAMES[cause]}"' if cause else ""

    @property
    def cut(self) -> str:
        """The bound of the setting that ended most passes."""
        return max(CUTS, key=self.share)


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of the decision tree.

    Attributes:
        when: The condition in words, for readers.
        text: The sentence of the verdict; what is in braces is filled in (``sentence``).
        then: What to do about it.
    """

    reason: str
    when: str
    holds: Callable[[Findings], bool]
    text: str
    then: str

    def sentence(self, found: Findings) -> str:
        """The sentence, filled in."""
        shares = {**found.shares, "empty": found.empty, "drafting": found.drafting, "cut": found.share(*CUTS)}
        percent = {name: 100 * share for name, share in shares.items()}
        known = {"found": found, "percent": percent, "off": " and ".join(found.off), "cut": CAUSE_NAMES[found.cut]}
        return self.text.format_map(known | CAUSE_NAMES)


_NAMED = {cause: f'"{name}"' for cause, name in CAUSE_NAMES.items()}

DECISIONS: tuple[Branch, ...] = (
    Branch(
        "no passes",
        "no output has a second token",
        lambda found: found.passes == 0,
        "No output has a second token, so nothing was drafted.",
        "Study outputs of several tokens: raise --max-new-tokens, or read the notes of the study.",
    ),
    Branch(
        "fine",
        "it is surely faster than plain decoding",
        lambda found: found.pays is True,
        "A pass brings {found.tokens_per_pass:.2f} tokens{found.ends}.",
        "It pays as it is; the advice of the study says whether another setting is faster still.",
    ),
    Branch(
        "sources off",
        "the prompt or the output is not among the sources",
        lambda found: bool(found.off),
        "The settings leave out what drafts come from: {off}.",
        "Switch them on again: leave out --sources, or tick prompt and output under Sources on the page.",
    ),
    Branch(
        "short outputs",
        f"outputs have fewer than {SHORT_OUTPUT} tokens on average",
        lambda found: found.output_tokens < SHORT_OUTPUT,
        "Outputs have {found.output_tokens:.0f} tokens on average: there is little to draft, and little to learn from.",
        "Study requests with longer answers, or raise --max-new-tokens if it cut them; short ones spend their time "
        "in the prefill, which drafts do not change.",
    ),
    Branch(
        "busy machine",
        f"T(n) has a length whose time can hardly be, and at least {MOSTLY:.0%} of the passes have no draft, or at "
        f"least {MUCH:.0%} ended as {_NAMED['pays']}",
        lambda found: found.bent_at is not None and (found.empty >= MOSTLY or found.share("pays") >= MUCH),
        "T(n) looks measured on a busy machine (see T({found.bent_at})); {percent[empty]:.0f} % of the passes have no "
        "draft.",
        "Measure T(n) again while nothing else runs (costs --measure, with the same --model and --dtype), then "
        "study the prompts again into another folder (study --out).",
    ),
    Branch(
        "wide passes cost too much",
        f"T(2) is more than {STEEP} times T(1)",
        lambda found: found.steep is not None and found.steep > STEEP,
        "A pass of 2 tokens takes {found.steep:.1f} times as long as one of 1 token here, so a draft has to be nearly "
        "sure.",
        "Make T(n) flatter: --device cuda, --dtype float32 on a CPU without bfloat16 units, more threads "
        "(OMP_NUM_THREADS). Until then keep --budget adaptive.",
    ),
    Branch(
        "chain model",
        "the model takes one branch and reads rejected ones again",
        lambda found: found.chain,
        "This model takes one branch per pass, and after a rejection it reads the accepted tokens again.",
        "Use it where outputs copy long passages, or choose a --model with attention in every layer: it takes whole "
        "trees.",
    ),
    Branch(
        "slow drafts",
        f"drafting takes at least {SLOW_DRAFTS:.0%} of the time of a pass of one token",
        lambda found: found.drafting >= SLOW_DRAFTS,
        "Making a draft takes {percent[drafting]:.0f} % of the time of a pass of one token.",
        "Draft less: --decoding-length 8, or --budget adaptive (decoding_length and Budget on the page); passes "
        "this short leave little time for drafts.",
    ),
    Branch(
        "pruned",
        f"at least {MUCH:.0%} of the passes ended as {_NAMED['pruned']}",
        lambda found: found.share("pruned") >= MUCH,
        "{percent[pruned]:.0f} % of the passes ended at a token that had been seen and was pruned.",
        "Raise trie_capacity and trie_bytes. They have no flag: in Python, LookaheadConfig(trie_capacity=8_000_000, "
        "trie_bytes=2_000_000_000). Or keep less: a smaller --trie file, bench without --warm.",
    ),
    Branch(
        "cut by the settings",
        f"at least {MUCH:.0%} of the passes ended as {' or '.join(_NAMED[cause] for cause in CUTS)}",
        lambda found: found.share(*CUTS) >= MUCH,
        "{percent[cut]:.0f} % of the passes were cut by the settings, most of them {cut}.",
        "Only where the advice of the study says that it is faster: raise --decoding-length or --branch-length, or "
        "take --strategy hierarchical (the controls of these names on the page).",
    ),
    Branch(
        "too few repeats",
        f"at least {MOSTLY:.0%} of the passes ended as {_NAMED['unseen']}",
        lambda found: found.share("unseen") >= MOSTLY,
        "{percent[unseen]:.0f} % of the passes ended at a token that no source had seen there ({unseen}): outputs "
        "repeat little.",
        "Give it more to copy from. Earlier outputs: keep the trie between prompts (bench --warm, Keep the trie on the "
        "page, one LookaheadEngine in Python), if the advice of the study says that it is faster. A corpus: make-trie, "
        "then --trie FILE. The text that the output will be like: generate --expected FILE, Expected text on the page.",
    ),
    Branch(
        "nothing pays",
        f"at least {MUCH:.0%} of the passes ended as {_NAMED['pays']}",
        lambda found: found.share("pays") >= MUCH,
        "{percent[pays]:.0f} % of the passes ended at a token that was {pays}: a wider pass would have taken longer.",
        "Keep --budget adaptive here, and make T(n) flatter (as for wide passes). To learn what another machine "
        "would bring: costs --write FILE there, study --machine FILE here.",
    ),
    Branch(
        CAUSE_NAMES["outranked"],
        f"at least {MUCH:.0%} of the passes ended as {_NAMED['outranked']}",
        lambda found: found.share("outranked") >= MUCH,
        "{percent[outranked]:.0f} % of the passes ended where the draft held other tokens than the model chose "
        "({outranked}).",
        "Where the advice of the study has a setting that wins them back, take it. If none does, only the counts can "
        "change: draft from a corpus of the same kind, too (make-trie, then --trie FILE).",
    ),
    Branch(
        "mixed",
        "none of the above",
        lambda found: True,
        "No single cause stands out.",
        'Open the run of the worst prompt (in the folder of study --out) on the page, at the step under "lost most at" '
        "in its table; the advice of the study has one setting to try per cause.",
    ),
)
"""The branches, the first to ask at the top; the last always holds."""


def decide(findings: Findings) -> Branch:
    """The first branch that holds.

    >>> decide(Findings(passes=0, output_tokens=1.0)).reason
    'no passes'
    """
    return next(branch for branch in DECISIONS if branch.holds(findings))
