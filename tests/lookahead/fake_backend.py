"""A backend without a model: its choice after a context is a function of the context, so every output is known."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from lookahead.costs import Pass, PassCosts
from lookahead.draft import Chain, DraftShape, DraftTree
from lookahead.sources.recycled import TOP, Row

VOCAB_SIZE = 50


def counting(context: Sequence[int]) -> int:
    """The number after the last one, from 49 back to 0."""
    return (context[-1] + 1) % VOCAB_SIZE


class FakeBackend:
    """A model made of a function; tokens spell themselves, token 7 is ``<7>``.

    Attributes:
        sessions: Every session opened, in order.
        widths: Tokens of every pass after a prefill.
        learned: The passes that each run reported.
        looked_up: How often its bigrams were asked for.
    """

    vocab_size = VOCAB_SIZE

    def __init__(
        self,
        choice: Callable[[Sequence[int]], int] = counting,
        eos_ids: Sequence[int] = (),
        context_limit: int | None = None,
        notice: str | None = None,
        stop_strings: Sequence[str] = (),
        chain: Chain | None = None,
        recycles: bool = False,
        bigrams: Mapping[int, Row] | None = None,
    ) -> None:
        self.recycles = recycles
        self.known = bigrams or {}
        self.looked_up = 0
        self.choice = choice
        self.eos_ids = tuple(eos_ids)
        self.stop_strings = tuple(stop_strings)
        self.context_limit = context_limit
        self.notice = notice
        self.chain = chain
        self.sessions: list[FakeSession] = []
        self.widths: list[int] = []
        self.measured = 0
        self.learned: list[list[Pass]] = []

    @property
    def draft_shape(self) -> DraftShape:
        """Draft trees are taken unless there is a notice; chains if the test says so."""
        return "chain" if self.chain else "tree" if self.notice is None else "none"

    def new_session(self, capacity: int, prompt_length: int = 0, sampling: object = None) -> FakeSession:
        """A session that remembers its inputs."""
        self.sessions.append((RecyclingSession if self.recycles else FakeSession)(self))
        return self.sessions[-1]

    def output_text(self, stop: Sequence[str] = (), prompt_ids: Sequence[int] = ()) -> FakeText:
        """``<1><2>...``, watched."""
        return FakeText(stop)

    def pass_costs(self, longest: int) -> PassCosts:
        """A pass of n tokens takes 1 + n / 100 seconds."""
        self.measured += 1
        return PassCosts((1, longest), (1.01, 1 + longest / 100))

    def bigrams(self) -> Mapping[int, Row]:
        """What the test says it finds likely after a token by itself."""
        self.looked_up += 1
        return self.known

    def learn_costs(self, passes: Sequence[Pass]) -> None:
        """Remember the passes of the run."""
        self.learned.append(list(passes))


class FakeSession:
    """One run's context."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend
        self.draft_shape: DraftShape = backend.draft_shape
        self.chain = backend.chain
        self.context: list[int] = []
        self.closed = False
        self._tree: DraftTree | None = None

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The function's value after the prompt."""
        self.context = list(prompt_ids)
        return self._backend.choice(self.context)

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The function's value after every node."""
        assert self.draft_shape == "tree" or (tree.is_chain if self.chain else len(tree) == 1)
        self._backend.widths.append(len(tree) + (self.chain.reread if self.chain else 0))
        self._tree = tree
        paths = [[tree.token_ids[0], *(tree.token_ids[step] for step in tree.path(node))] for node in range(len(tree))]
        return tuple(self._backend.choice([*self.context, *path]) for path in paths)

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Grow the context."""
        assert self._tree is not None
        self.chain = self.chain and self.chain.after(len(self._tree) - 1, len(accepted_nodes))
        self.context += [self._tree.token_ids[node] for node in (0, *accepted_nodes)]

    def close(self) -> None:
        """Remember that it was called."""
        self.closed = True


class RecyclingSession(FakeSession):
    """A run that also says what the function would rather have: its value, and two others less and less."""

    asked = False
    successors = b""

    def recycle(self) -> None:
        """Say so from now on."""
        self.asked = True

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The function's value after the prompt."""
        found = super().prefill(prompt_ids)
        self._say((found,))
        return found

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The function's value after every node."""
        found = super().choose(tree)
        self._say(found)
        return found

    def _say(self, chosen: Sequence[int]) -> None:
        if self.asked:
            self.successors = b"".join(row(*((one + more) % VOCAB_SIZE for more in (0, 1, 7))) for one in chosen)


def row(*token_ids: int, shares: Sequence[int] = (180, 60, 15)) -> bytes:
    """A packed row of these successors."""
    numbers = [token_id << 8 | share for token_id, share in zip(token_ids, shares, strict=False)]
    return struct.pack(f"<{TOP}I", *numbers, *[0] * (TOP - len(numbers)))


class FakeText:
    """``<1><2>...``, and whether it contains a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.stopped = False
        self._stop, self._text = stop, ""

    def push(self, token_ids: Sequence[int]) -> str:
        """The spelled tokens."""
        piece = "".join(f"<{token_id}>" for token_id in token_ids)
        self._text += piece
        self.stopped = any(string in self._text for string in self._stop)
        return piece
