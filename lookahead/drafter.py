"""The drafter: sources in, one draft tree per step out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from lookahead.config import LookaheadConfig
from lookahead.draft import Chain, DraftTree, plain_ids
from lookahead.records import LeftOut, TrieChange
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.search.frequency import FrequencySearch
from lookahead.search.width import ChainRule, StopRule
from lookahead.sources.expected import ExpectedText
from lookahead.sources.recycled import RecycledLogits, Row
from lookahead.sources.source import Source
from lookahead.sources.tries import FOLLOWED, MAX_DEPTH, OwnTrie, ReadTrie, Successors
from lookahead.trie import Trie


class DraftRequest:
    """The drafting side of one run: everything it learns about one context as that context grows.

    This one proposes nothing, which makes plain decoding of the same loop.
    """

    def __init__(self, context_ids: Sequence[int]) -> None:
        self._last_id = context_ids[-1]

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """A tree under the last committed token; here the root alone.

        Args:
            width: Most nodes, the root included (>= 1); 1 gives the root alone.
            longest_branch: Most draft tokens in one branch (>= 0).
            pass_seconds: ``pass_seconds[n - 1]`` is the time of a forward pass of n tokens, for n up to ``width``
                at least; the tree is cut where more nodes no longer pay. None drafts up to ``width``.
            chain: Where the model takes one branch only: what the pass reads besides it.
        """
        return DraftTree.root_only(self._last_id)

    def left_out(self) -> LeftOut | None:
        """What the last draft left out and why, asked before the next ``commit``; None where nobody searched."""
        return None

    def commit(self, token_ids: Sequence[int]) -> None:
        """Append the tokens that the model emitted to the context."""
        if token_ids:
            self._last_id = token_ids[-1]

    def change(self) -> TrieChange:
        """What the tries hold now, and what the last commit added and pruned."""
        return TrieChange()

    def finish(self) -> None:
        """End the request: its prompt branches vanish, its output stays for later requests. Safe to call twice."""


class Drafter:
    """Drafts from what it has read: the prompt of a request, the outputs of earlier ones, a corpus.

    One drafter belongs to one user: its session trie keeps the outputs of that user's requests, never their
    prompts. Requests of one drafter may overlap in time, also in threads.

    Args:
        warm: Tries filled from a corpus or loaded from a file; read, never written to.
    """

    def __init__(self, config: LookaheadConfig, warm: Sequence[Trie] = ()) -> None:
        self.config = config
        self.warm = tuple(warm)
        self.session = Trie(MAX_DEPTH, config.trie_capacity, config.trie_bytes)
        self.lock = threading.Lock()
        """Held while the session trie is written to or read from."""
        self._known = [Successors(trie) for trie in (self.session, *self.warm)]

    def start(self, prompt_ids: Sequence[int], expected: Sequence[int] = ()) -> Request:
        """A request over this prompt, its n-grams read; the output is expected to be like ``expected``."""
        return Request(self, plain_ids(prompt_ids), plain_ids(expected))

    def sources(self, prompt_ids: Sequence[int], expected: Sequence[int] = ()) -> tuple[OwnTrie, list[Source]]:
        """What a new request asks: its own trie, and the other sources; all of them have read the prompt.

        Every kind of source is made here.
        """
        config = self.config
        session, *corpora = self._known
        tries = [ReadTrie(session, "session", "output")] if "output" in config.sources else []
        if "corpus" in config.sources:
            tries += [ReadTrie(corpus, "corpus", "corpus") for corpus in corpora]
        shared: list[Source] = [source for source in tries if source.trie.log]
        if "model" in config.sources:
            shared.append(RecycledLogits())  # a run's own: its file has its rows, and no others
        for source in shared:
            source.follow(prompt_ids[-FOLLOWED:])
        if expected and "expected" in config.sources:
            shared.append(ExpectedText(expected))  # it begins where the output begins, so it reads no prompt
        return OwnTrie(prompt_ids, config.sources, config.prompt_weight), shared

    def keep(self, output_ids: Sequence[int]) -> None:
        """Read the output of a request that ended into the session trie, within its bounds."""
        with self.lock:
            self.session.insert(plain_ids(output_ids))


class Request(DraftRequest):
    """The drafting side of one run of a ``Drafter``: its own trie, dropped whole when it ends."""

    def __init__(self, drafter: Drafter, prompt_ids: Sequence[int], expected: Sequence[int] = ()) -> None:
        super().__init__(prompt_ids)
        config = drafter.config
        self._drafter, self._config = drafter, config
        self.confidence = Confidence()
        self._output: list[int] = []
        with drafter.lock:  # another request may fill the session's trie meanwhile
            self._own, self._shared = drafter.sources(prompt_ids, expected)
        self._tries = [source.trie for source in self._shared if isinstance(source, ReadTrie)]
        recycled = (source for source in self._shared if isinstance(source, RecycledLogits))
        self._recycled = next(recycled, None) if config.longest_branch else None
        self._successors = b""
        self._tree: DraftTree | None = None
        self._prompt_ids = prompt_ids
        # The bounds are for what comes after it: a running request's prompt is never pruned.
        self.trie.capacity = config.trie_capacity + len(self.trie) + self.trie.leaves
        self.trie.max_bytes = config.trie_bytes + self.trie.bytes()
        self._versions: list[int] = []
        """Of the sources when the draft was made: one that was pruned since has other places than those asked."""
        self._search: Search | FrequencySearch | None = None
        self._expected = 0.0
        self._rule: tuple[Sequence[float], StopRule] | None = None
        self._change = TrieChange()
        self._pruned = sum(trie.pruned for trie in self._tries)
        self._finished = False
        self._note_change(0)

    @property
    def trie(self) -> Trie:
        """The request's own trie."""
        return self._own.trie

    @property
    def sources(self) -> list[Source]:
        """What is asked for drafts; of levels of equal length the earlier source's comes first."""
        return [self._own, *self._shared]

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """A tree under the last committed token (see ``DraftRequest.draft``)."""
        config = self._config
        self._search = None
        width, longest_branch = min(width, config.decoding_length), min(longest_branch, config.longest_branch)
        if width < 2 or longest_branch < 1:
            self._tree = DraftTree.root_only(self._last_id)
            return self._tree
        rule = self._stop_rule(pass_seconds, chain)
        with self._drafter.lock:
            self._versions = [source.version for source in self._shared]
            if config.ranking == "frequency":
                self._search = FrequencySearch(self.sources, self._last_id)
            else:
                self._search = Search(self.sources, self.confidence, self._last_id)
            tree = self._search.run(width, longest_branch, "single" if chain else config.strategy, rule)
        self._expected = tree.expected_tokens() - 1.0
        self._tree = tree
        return tree

    def left_out(self) -> LeftOut | None:
        """What the last draft left out and why; None where nothing was searched, or a source was pruned since."""
        with self._drafter.lock:
            return self._search.left_out() if self._search is not None and self._unpruned() else None

    def _unpruned(self) -> bool:
        return self._versions == [source.version for source in self._shared]

    def _stop_rule(self, pass_seconds: Sequence[float] | None, chain: Chain | None) -> StopRule | None:
        if pass_seconds is None:
            return None
        if chain is not None:
            return ChainRule(pass_seconds, chain)
        if self._rule is None or self._rule[0] is not pass_seconds:
            self._rule = pass_seconds, StopRule(pass_seconds)
        return self._rule[1].fresh(0.0 if self._recycled is None else self._recycled.row_value)

    @property
    def recycles(self) -> bool:
        """Whether it drafts from what passes found likely (``recycle``)."""
        return self._recycled is not None

    def know(self, bigrams: Mapping[int, Row]) -> None:
        """Draft from what the model finds likely after tokens by themselves, too."""
        if self._recycled is not None:
            self._recycled.bigrams = bigrams

    def asked_bigrams(self) -> bytes:
        """Those of them that were looked up since the last call, each the first time (``RecycledLogits.asked``)."""
        return b"" if self._recycled is None else self._recycled.asked()

    def recycle(self, successors: bytes) -> None:
        """Take what the pass found likely, before its tokens are committed.

        Args:
            successors: A row (``sources/recycled.py``) per node of the last draft; before the first draft, for the last
                tokens of the prompt.
        """
        self._successors = successors

    def commit(self, token_ids: Sequence[int]) -> None:
        """Append emitted tokens to the context: learn from them, then read them, and the rows of their pass."""
        token_ids = plain_ids(token_ids)
        if not token_ids:
            return
        if self._search is not None:
            with self._drafter.lock:
                if self._unpruned():
                    self._search.learn(token_ids)
            self.confidence.settle(self._expected, len(token_ids) - 1)
            self._search = None
        if self._own.reads_output:
            self.trie.make_room(len(token_ids))
        if self._successors and self._recycled is not None:
            self._recycle(self._recycled, self._successors)
            self._successors = b""
        before = len(self.trie) + self.trie.leaves
        self._own.follow(token_ids)
        with self._drafter.lock:
            for source in self._shared:
                source.follow(token_ids)
        self._output.extend(token_ids)
        self._last_id = token_ids[-1]
        self._note_change(before)

    def _recycle(self, recycled: RecycledLogits, successors: bytes) -> None:
        """Read the rows of the last pass."""
        if (tree := self._tree) is not None:
            recycled.read(tree.token_ids, tree.parents, successors)
        else:
            recycled.read_prompt(self._prompt_ids, successors)

    def _note_change(self, before: int) -> None:
        own = len(self.trie) + self.trie.leaves
        others = sum(len(trie) + trie.leaves for trie in self._tries)
        pruned = self.trie.pruned + sum(trie.pruned for trie in self._tries)
        self._change = TrieChange(nodes=own + others, added=own - before, pruned=pruned - self._pruned)
        self._pruned = pruned

    def change(self) -> TrieChange:
        """Nodes and leaves of all tries asked; how many the last commit added; how many were pruned meanwhile.

        The session's trie is pruned when another request of the drafter ends meanwhile.
        """
        return self._change

    def finish(self) -> None:
        """Drop the request's trie, prompt branches and all, and keep its output for later requests."""
        if self._finished:
            return
        self._finished = True
        self._search = None
        reads_output = self._own.reads_output
        self._own = self._own.emptied()
        if reads_output:
            self._drafter.keep(self._output)
