"""Levels: what each trie saw after each suffix of a context, and the draft tree made of what was taken from them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

from lookahead.draft import ROOT_SOURCE, DraftTree
from lookahead.trie import NO_TOKEN, RANKED, ROOT, SEVERAL, WIDE, Trie
from lookahead.trie.locus import Locus, match_length

REQUEST, SESSION, CORPUS = range(3)
"""Kinds of trie: a request's own (prompt and output so far), the session's earlier outputs, a corpus."""

Candidate = tuple[float, int, int]
"""Weight, token, child (a trie node, or a leaf's ``~position``)."""
Level = tuple[int, int, int, int]
"""Suffix length, minus the trie's number, log position (-1 for a node), node: sorts by length, own trie last."""
Node = tuple[int, int, float, int, int, int, int]
"""Token, parent, path probability, depth, suffix length it was found with, trie, child as in ``Candidate``."""
Rival = tuple[int, int, int]
"""Draft node, another trie that holds it after as long a suffix, child there."""
Successors = tuple[Sequence[Candidate], float, bool]
"""Candidates, heaviest first, their total weight, and whether there is just one."""


_WEIGHT = itemgetter(0)
_extending = threading.Lock()
_FEW = 4
"""Successors of a widely branching node that are listed at first; looking up each costs several reads of memory."""


class Levels:
    """The tries of one draft and how their counts weigh.

    Args:
        tries: Tries to ask, the request's own first.
        kinds: ``REQUEST``, ``SESSION`` or ``CORPUS`` for each.
        prompt_weight: What one occurrence in the prompt counts for.
    """

    def __init__(self, tries: Sequence[Trie], kinds: Sequence[int], prompt_weight: float) -> None:
        self.tries, self.kinds = tries, kinds
        self._extra_weight = prompt_weight - 1.0

    def shorter(self, number: int, node: int) -> Level:
        """The level of the next shorter suffix that was read more often."""
        trie = self.tries[number]
        counts, links = trie.counts, trie.links
        shorter = links[node]
        while shorter != ROOT and counts[shorter] == counts[node]:
            shorter = links[shorter]
        return trie.depths[shorter], -number, -1, shorter

    def only_successor(self, number: int, node: int) -> tuple[Sequence[Candidate], float]:
        """The one successor seen after a suffix, and its weight."""
        trie = self.tries[number]
        child = trie.only_child[node]
        weight = 1.0 if child < 0 else float(trie.counts[child])
        if number == 0:
            weight += self._extra_weight * (trie.prompt_counts[child] if child > 0 else ~child < trie.border)
        return ((weight, trie.only_token[node], child),), weight

    def successors(self, number: int, node: int, least_share: float = 0.0) -> Successors:
        """Successors seen after a suffix.

        Of a widely branching node only the first few may be listed: the last candidate then stands for the rest, with
        a bound of their weight and ``NO_TOKEN`` (see ``more``).

        Args:
            number: Which trie.
            node: Its node for the suffix.
            least_share: In the request's own trie, successors of a widely branching node from the first one on that
                has a smaller share of its count need not be listed. In other tries it is the first four.
        """
        trie = self.tries[number]
        only = trie.only_token[node]
        if only != SEVERAL:
            return (*self.only_successor(number, node), True) if only != NO_TOKEN else ((), 0.0, False)
        counts = trie.counts
        known = trie.successors.get(node)
        if known is not None and known[0] == counts[node]:
            return known[1]
        children = trie.fan(node)
        ranked: Sequence[int] = ()
        if len(children) <= WIDE:
            candidates = self._weighed(number, children.items())
            total = float(sum([candidate[0] for candidate in candidates]))
        else:
            ranked, total = trie.ranked[node], float(counts[node])
            if number:
                candidates = self._weighed(number, _found(children, ranked[:_FEW]))
            else:
                total += self._extra_weight * trie.prompt_counts[node]
                candidates = self._weighed(number, _found(children, ranked))
                enough = (
                    place for place, (weight, _, _) in enumerate(candidates) if place and weight < total * least_share
                )
                del candidates[next(enough, RANKED) :]
            # The root has no count of its own in the prompt, and halved counts may sum up to more than their parent's.
            total = max(total, float(sum([candidate[0] for candidate in candidates])))
        # The most recently found first among equals.
        candidates.reverse()
        candidates.sort(key=_WEIGHT, reverse=True)
        if len(ranked) > len(candidates):
            candidates.append((candidates[-1][0], NO_TOKEN, node))
        answer = candidates, total, False
        # What follows a node changes one token after its count did: not yet settled where the context stands.
        if number and trie.last[node] != trie.end - 1:
            trie.remember(node, answer, min(len(children), RANKED))
        return answer

    def _weighed(self, number: int, found: Iterable[tuple[int, int]]) -> list[Candidate]:
        """These tokens and children with their weights, in this order."""
        trie = self.tries[number]
        counts = trie.counts
        if number:
            return [(counts[child] if child > 0 else 1, token_id, child) for token_id, child in found]
        prompt_counts, border, extra = trie.prompt_counts, trie.border, self._extra_weight
        return [
            (
                counts[child] + extra * prompt_counts[child] if child > 0 else 1.0 + extra * (~child < border),
                token_id,
                child,
            )
            for token_id, child in found
        ]

    def more(self, number: int, candidates: list[Candidate]) -> None:
        """Put the next candidates in the place of the last one, which stands for them."""
        trie = self.tries[number]
        with _extending:  # a corpus may be asked by several drafters at once
            *known, (_, last, node) = candidates
            if last != NO_TOKEN:
                return
            ranked = trie.ranked[node]
            new = self._weighed(number, _found(trie.fan(node), ranked[len(known) : 3 * len(known)]))
            if len(known) + len(new) < len(ranked):
                new.append((new[-1][0], NO_TOKEN, node))
            candidates[-1:] = new

    def held(self, number: int, node: int, candidates: Sequence[Candidate], token_id: int) -> bool:
        """Whether a token was among the successors, also where only the first few of them were listed."""
        for candidate in candidates:
            if candidate[1] == token_id:
                return True
        trie = self.tries[number]
        return len(candidates) > 1 and trie.only_token[node] == SEVERAL and token_id in trie.fan(node)

    def tree(self, nodes: Sequence[Node], loci: Sequence[Locus], rivals: Sequence[Rival]) -> DraftTree:
        """The draft tree of these nodes, with source and count of each.

        Args:
            nodes: The nodes, the root first.
            loci: Where the root's context stands in each trie.
            rivals: What else proposed some of them: the source with more occurrences is the node's, those in the
                prompt weighted.
        """
        token_ids, parents, probabilities, _, _, numbers, children = zip(*nodes, strict=True)
        kinds = [("output", "output", "corpus")[kind] for kind in self.kinds]
        tables = [trie.counts for trie in self.tries]
        own, border, weight = self.tries[0], self.tries[0].border, 1.0 + self._extra_weight
        sources = [kinds[number] for number in numbers]
        counts = [1 if child < 0 else tables[number][child] for number, child in zip(numbers, children, strict=True)]
        sources[0], counts[0] = ROOT_SOURCE, 0
        # Only the request's own trie has read a prompt.
        for node, number in enumerate(numbers if border else ()):
            if number:
                continue
            child = children[node]
            if child < 0:
                if ~child < border:
                    sources[node] = "prompt"
            elif in_prompt := own.prompt_counts[child]:
                count = counts[node] - in_prompt
                if in_prompt * weight >= count:
                    sources[node], count = "prompt", in_prompt
                counts[node] = count
        for node, number, child in rivals:
            if node < len(counts):
                count = 1 if child < 0 else tables[number][child]
                if count > counts[node] * (weight if sources[node] == "prompt" else 1.0):
                    sources[node], counts[node] = kinds[number], count
        known = max([match_length(trie, locus) for trie, locus in zip(self.tries, loci, strict=True)])
        return DraftTree(token_ids, parents, probabilities, tuple(sources), tuple(counts), known)


def _found(children: Mapping[int, int], token_ids: Iterable[int]) -> Iterable[tuple[int, int]]:
    """These tokens, each with its child."""
    return [(token_id, children[token_id]) for token_id in token_ids]
