"""Settings, each described once; flags, page controls, URLs, endpoints, what-if knobs and run files derive from that.

To add a setting of the drafts, add one field with ``setting(...)`` to ``LookaheadConfig``, at the end of this file,
name the places that offer it, and write the code that uses it (``Request.draft`` in ``drafter.py``, or the search);
``tests/test_new_setting.py`` adds one and finds it everywhere. ``study/joint.py`` lists the settings that it replays
together, which is faster; any other is replayed by itself. What only the page knows, and where it narrows a range, is
in ``app/run/settings.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

from lookahead.setting import Checked, Place, Setting, setting, settings_of, shown_value
from lookahead.sources.registry import OFFERED
from lookahead.trie import MIN_BYTES, MIN_CAPACITY

Strategy = Literal["hierarchical", "parallel", "single"]
Budget = Literal["adaptive", "fixed"]
Ranking = Literal["probability", "frequency"]

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""What ``--dtype`` takes."""
MAX_DECODING_LENGTH = 1024
"""Widest pass allowed, also in run files; far wider than pays off on any hardware."""
MAX_TOKENS = 1_000_000
"""Most tokens of a prompt or of an output, and most steps, in a run file."""
MAX_STOPS = 64
"""Most stop strings of a run."""
MAX_STOP_CHARACTERS = 1000
"""Longest stop string."""
MAX_SEED = 2**32 - 1
"""Largest seed: the key of the noise generator has 32 bits."""
LEAST_TEMPERATURE = 0.001
"""Least temperature above 0; at a lower one float32 logits overflow, and the likeliest token wins anyway."""


def offered(place: Place, settings: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
    """The settings that are offered at a place, by name; without ``settings``, of all settings of the library."""
    settings = settings_of(RunSettings, Sampling, LookaheadConfig) if settings is None else settings
    return {name: one for name, one in settings.items() if place in one.places}


def stop_strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    """The stop strings of a run, checked; one may be given by itself.

    Raises:
        ValueError: If one is empty or is not text, or there are more, or longer ones, than a run file takes.
    """
    strings = (stop,) if isinstance(stop, str) else tuple(islice(stop, MAX_STOPS + 1))
    if len(strings) > MAX_STOPS:
        raise ValueError(f"more than {MAX_STOPS} stop strings; leave some out")
    for string in strings:
        if not isinstance(string, str) or string.encode(errors="replace").decode() != string:
            raise ValueError(f"stop={shown_value(string)}; need text")
        if not string:
            raise ValueError("an empty stop string would end every output; leave it out")
        if len(string) > MAX_STOP_CHARACTERS:
            raise ValueError(f"a stop string of {len(string)} characters; need at most {MAX_STOP_CHARACTERS}")
    return strings


@dataclass(frozen=True, slots=True)
class RunSettings(Checked):
    """The settings of a run that are not about its drafts."""

    max_new_tokens: int = setting(
        128, "Max new tokens", "Most tokens to generate.",
        "generate", "page", "endpoint", low=1, high=MAX_TOKENS,
    )  # fmt: skip


_MODELS_OWN = "as the model's generation_config says"


@dataclass(frozen=True, slots=True)
class Sampling(Checked):
    """How a run chooses its tokens: the likeliest one (greedy, the default), or one drawn with a seed."""

    temperature: float = setting(
        0.0, "Temperature", "0 takes the likeliest token (greedy); above 0 each token is drawn, the higher the freer.",
        "generate", "page", "endpoint", kind="number", high=100,
    )  # fmt: skip
    seed: int = setting(
        0, "Seed", "Decides the draws: the same seed writes the same text, with drafts or without.",
        "generate", "page", "endpoint", high=MAX_SEED,
    )  # fmt: skip
    top_k: int | None = setting(
        None, "top_k", "Draw among this many of the likeliest tokens.",
        "generate", "page", "endpoint", low=1, high=MAX_TOKENS, none=_MODELS_OWN,
    )  # fmt: skip
    top_p: float | None = setting(
        None, "top_p", "Draw among the likeliest tokens that together have this probability.",
        "generate", "page", "endpoint", kind="number", low=1e-6, high=1, none=_MODELS_OWN,
    )  # fmt: skip
    min_p: float | None = setting(
        None, "min_p", "Draw among tokens at least this probable, relative to the likeliest one.",
        "generate", "page", "endpoint", kind="number", low=1e-6, high=1, none=_MODELS_OWN,
    )  # fmt: skip

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if 0 < self.temperature < LEAST_TEMPERATURE:
            raise ValueError(f"temperature={self.temperature}; need 0 (greedy), or {LEAST_TEMPERATURE} to 100")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken; the other settings then change nothing."""
        return self.temperature == 0


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class LookaheadConfig(Checked):
    """The draft settings of one engine or one replay."""

    decoding_length: int = setting(
        64, "decoding_length", "Most tokens in one forward pass, the root included. 1 drafts nothing.",
        "generate", "replay", "page", "endpoint", "what-if", low=1, high=MAX_DECODING_LENGTH,
    )  # fmt: skip
    branch_length: int | None = setting(
        None, "branch_length", "Most draft tokens in one branch.",
        "generate", "replay", "page", "endpoint", "what-if", low=1, none="as many as the width allows",
    )  # fmt: skip
    strategy: Strategy = setting(
        "hierarchical", "Strategy", "One tree with shared prefixes, branches that part at the root, or one branch.",
        "generate", "replay", "page", "endpoint", "what-if", kind="choice", choices=get_args(Strategy),
    )  # fmt: skip
    budget: Budget = setting(
        "adaptive", "Budget", "Adaptive: only as wide as the measured time of a pass pays for. Fixed: full width.",
        "generate", "page", "endpoint", "what-if", kind="choice", choices=get_args(Budget),
    )  # fmt: skip
    ranking: Ranking = setting(
        "probability", "Ranking", "Rank draft tokens by estimated probability, or by raw count as in the paper.",
        "generate", "replay", "what-if", kind="choice", choices=get_args(Ranking),
    )  # fmt: skip
    sources: tuple[str, ...] = setting(
        OFFERED, "Sources", "Where draft tokens may come from.",
        "generate", "replay", "page", "what-if", kind="choices", choices=OFFERED,
    )  # fmt: skip
    prompt_weight: float = setting(
        2.0, "prompt_weight",
        "Weight of an occurrence in the prompt relative to one in the output. It also decides which source a node is "
        "labelled with when several tries propose it.",
        kind="number", low=1e-6, high=1e6,
    )  # fmt: skip
    trie_capacity: int = setting(
        4_000_000, "trie_capacity", "Upper bound on nodes per trie, not counting the running request's prompt.",
        low=MIN_CAPACITY,
    )  # fmt: skip
    trie_bytes: int = setting(
        1_000_000_000, "trie_bytes", "Upper bound on bytes per trie, not counting the running request's prompt.",
        low=MIN_BYTES,
    )  # fmt: skip

    @property
    def longest_branch(self) -> int:
        """Most draft tokens in one branch, the default resolved (0 if nothing is drafted)."""
        widest = self.decoding_length - 1
        return widest if self.branch_length is None else min(self.branch_length, widest)
