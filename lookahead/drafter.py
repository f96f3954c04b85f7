"""The drafter: tries in, a draft tree out, a step at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.records import TrieChange
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.search.frequency import FrequencySearch
from lookahead.search.levels import CORPUS, REQUEST, SESSION, Levels
from lookahead.search.width import StopRule
from lookahead.search.work import HIERARCHICAL, PARALLEL, SINGLE
from lookahead.trie import Trie
from lookahead.trie.locus import Follower

MAX_DEPTH = 12
"""Longest n-gram that is counted; a copy is followed beyond it in the token log."""
FOLLOWED = 4 * MAX_DEPTH
"""Last tokens of a prompt that are followed in the tries of others."""

_BRANCHING = {"hierarchical": HIERARCHICAL, "parallel": PARALLEL, "single": SINGLE}


class DraftRequest(Protocol):
    """The drafting side of one run: everything it learns about one context as that context grows."""

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        """A tree under the last committed token.

        Args:
            width: Most nodes, the root included (>= 1); 1 gives the root alone.
            longest_branch: Most draft tokens in one branch (>= 0).
            pass_seconds: ``pass_seconds[n - 1]`` is the time of a forward pass of n tokens, for n up to ``width``
                at least; the tree is cut where more nodes no longer pay. None drafts up to ``width``.
        """
        ...

    def commit(self, token_ids: Sequence[int]) -> None:
        """Append the tokens that the model emitted to the context."""
        ...

    def change(self) -> TrieChange:
        """What the tries hold now, and what the last commit added and pruned."""
        ...

    def finish(self) -> None:
        """End the request: its prompt branches vanish, its output stays for later requests. Safe to call twice."""
        ...


class NoDrafts:
    """A request that proposes nothing: plain greedy decoding in the same loop."""

    def __init__(self, context_ids: Sequence[int]) -> None:
        self._last_id = context_ids[-1]

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        """The root alone."""
        return DraftTree.root_only(self._last_id)

    def commit(self, token_ids: Sequence[int]) -> None:
        """Remember the last token, the next root."""
        if token_ids:
            self._last_id = token_ids[-1]

    def change(self) -> TrieChange:
        """Nothing, ever."""
        return TrieChange()

    def finish(self) -> None:
        """Nothing to end."""


class Drafter:
    """Drafts from what it has read: the prompt of a request, the outputs of earlier ones, a corpus.

    One drafter belongs to one user: its session trie keeps the outputs of that user's requests, never their
    prompts. Requests of one drafter may overlap in time, also in threads.

    Args:
        config: Widths, strategy, ranking and bounds.
        warm: Tries filled from a corpus or loaded from a file; read, never written to.
    """

    def __init__(self, config: LookaheadConfig, warm: Sequence[Trie] = ()) -> None:
        self.config = config
        self.warm = tuple(warm)
        self.session = Trie(MAX_DEPTH, config.trie_capacity, config.trie_bytes)
        self.lock = threading.Lock()
        """Held while the session trie is written to or read from."""

    def start(self, prompt_ids: Sequence[int]) -> Request:
        """A request over this prompt, its n-grams read."""
        return Request(self, prompt_ids)

    def keep(self, output_ids: Sequence[int]) -> None:
        """Read the output of a request that ended into the session trie, within its bounds."""
        with self.lock:
            self.session.insert(output_ids)


class Request:
    """The drafting side of one run (a ``DraftRequest``): its own trie, dropped whole when it ends."""

    def __init__(self, drafter: Drafter, prompt_ids: Sequence[int]) -> None:
        config = drafter.config
        self._drafter, self._config = drafter, config
        self.trie = Trie(MAX_DEPTH)
        self.confidence = Confidence()
        self._output: list[int] = []
        self._last_id = prompt_ids[-1]
        self._writes = "output" in config.sources
        others = [(SESSION, drafter.session)] if self._writes else []
        if "corpus" in config.sources:
            others += [(CORPUS, trie) for trie in drafter.warm]
        with drafter.lock:  # another request may fill the session's trie meanwhile
            others = [(kind, trie) for kind, trie in others if trie.log]
            self._followers = [Follower(trie) for _, trie in others]
        self._kinds = [REQUEST, *(kind for kind, _ in others)]
        self._floor = self._expected = 0.0
        self._versions: list[int] = []
        """Of the others' tries when the draft was made: one that was pruned since has other nodes than those asked."""
        self._search: Search | FrequencySearch | None = None
        self._rule: StopRule | None = None
        self._rule_for: Sequence[float] | None = None
        self._change = TrieChange()
        self._pruned = sum(follower.trie.pruned for follower in self._followers)
        self._finished = False
        if "prompt" in config.sources:
            self.trie.border = len(prompt_ids)
            self.trie.extend(prompt_ids)
        # The bounds are for what comes after it: a running request's prompt is never pruned.
        self.trie.capacity = config.trie_capacity + len(self.trie) + self.trie.leaves
        self.trie.max_bytes = config.trie_bytes + self.trie.bytes()
        if not self._writes:
            # The trie holds the prompt alone, so the context is followed in it like in any other.
            self.trie.begin()
            self._own = Follower(self.trie)
            self._own.follow(prompt_ids)
        self._follow(prompt_ids[-FOLLOWED:])
        self._note_change(0)

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        """A tree under the last committed token (see ``DraftRequest.draft``)."""
        config = self._config
        self._search = None
        width, longest_branch = min(width, config.decoding_length), min(longest_branch, config.longest_branch)
        if width < 2 or longest_branch < 1:
            return DraftTree.root_only(self._last_id)
        own = (self.trie.cursors()[-1], -1, 0) if self._writes else self._own.locus()
        rule = self._stop_rule(pass_seconds)
        with self._drafter.lock:
            levels = Levels([self.trie, *(f.trie for f in self._followers)], self._kinds, config.prompt_weight)
            loci = [own, *(follower.locus() for follower in self._followers)]
            self._versions = [follower.trie.version for follower in self._followers]
            if config.ranking == "frequency":
                self._search = FrequencySearch(levels, loci, self._last_id)
            else:
                self._search = Search(levels, loci, self.confidence, self._last_id, self._floor)
            tree = self._search.run(width, longest_branch, _BRANCHING[config.strategy], rule)
        self._floor = self._search.floor
        self._expected = tree.expected_tokens() - 1.0
        return tree

    def _stop_rule(self, pass_seconds: Sequence[float] | None) -> StopRule | None:
        if pass_seconds is None:
            return None
        if self._rule is None or self._rule_for is not pass_seconds:
            self._rule, self._rule_for = StopRule(pass_seconds), pass_seconds
        return self._rule.fresh()

    def commit(self, token_ids: Sequence[int]) -> None:
        """Append emitted tokens to the context: learn from them, then read them."""
        if not token_ids:
            return
        if self._search is not None:
            with self._drafter.lock:
                if self._versions == [follower.trie.version for follower in self._followers]:
                    self._search.learn(token_ids)
            self.confidence.settle(self._expected, len(token_ids) - 1)
            self._search = None
        if self._writes:
            self.trie.make_room(len(token_ids))
        before = len(self.trie) + self.trie.leaves
        if self._writes:
            self.trie.extend(token_ids)
        else:
            self._own.follow(token_ids)
        self._follow(token_ids)
        self._output.extend(token_ids)
        self._last_id = token_ids[-1]
        self._note_change(before)

    def _follow(self, token_ids: Sequence[int]) -> None:
        with self._drafter.lock:
            for follower in self._followers:
                follower.follow(token_ids)

    def _note_change(self, before: int) -> None:
        own = len(self.trie) + self.trie.leaves
        others = sum(len(follower.trie) + follower.trie.leaves for follower in self._followers)
        pruned = self.trie.pruned + sum(follower.trie.pruned for follower in self._followers)
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
        self.trie = Trie(MAX_DEPTH)
        if self._writes:
            self._drafter.keep(self._output)
        else:
            self._own = Follower(self.trie)
