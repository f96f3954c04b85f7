"""When a best-first search may stop: more nodes are not expected to pay for the wider pass any more."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.costs import choose_width
from lookahead.draft import Chain


class StopRule:
    """The width that maximises expected tokens per second, (1 + sum of path probabilities) / T(n).

    Where later drafts learn from a node whether it is accepted or not, it counts a little more (``fresh``).

    T(n) need not be monotonic, so a wider pass may pay where a narrower one does not: the search continues until
    even nodes as probable as the one at hand could not beat the best width found.

    Args:
        pass_seconds: ``pass_seconds[n - 1]`` is T(n), for n up to the widest pass that may be made.

    Raises:
        ValueError: If no time is given or one is not positive.
    """

    def __init__(self, pass_seconds: Sequence[float]) -> None:
        if not pass_seconds or min(pass_seconds) <= 0:
            raise ValueError("pass_seconds: need one positive time for every width")
        self._seconds = pass_seconds
        # Between two knots T is linear, so a ratio of two linear functions has its extremes at the knots.
        inner = range(1, len(pass_seconds) - 1)
        bends = [n for n in inner if _bends(pass_seconds, n)]
        self._knots = [n + 1 for n in (0, *bends, len(pass_seconds) - 1)]
        self.over = False
        """What ``reached`` said last."""
        self.next_check = 1
        """Nodes from which on ``reached`` has anything to say."""
        self._best_rate = 0.0
        self._done = 0
        self._sum = 1.0
        self._node_value = 0.0

    def fresh(self, node_value: float = 0.0) -> StopRule:
        """The same rule for another draft, in which each node brings so many tokens besides being accepted."""
        copy = StopRule.__new__(StopRule)
        copy._seconds, copy._knots = self._seconds, self._knots
        copy.over, copy.next_check, copy._best_rate, copy._done, copy._sum = False, 1, 0.0, 0, 1.0
        copy._node_value = node_value
        return copy

    def reached(self, probabilities: Sequence[float], bound: float) -> bool:
        """Whether, if the bound holds, no wider tree can be better than the best cut of these nodes; once so, always.

        Args:
            probabilities: Path probability of every node so far, the root's 1.0 first.
            bound: Most that any further node's path probability can be. What the search gives holds but for what its
                ``ESCAPE`` allows.
        """
        n = len(probabilities)
        if self.over or n < self.next_check:
            return self.over
        self.next_check = n + 1 + (n >> 2)
        self._advance(probabilities)
        seconds, total, bound = self._seconds, self._sum, bound + self._node_value
        if n < len(seconds) and (total + bound) / seconds[n] > self._best_rate:
            return False
        self.over = not any(
            (total + bound * (knot - n)) / seconds[knot - 1] > self._best_rate for knot in self._knots if knot > n
        )
        return self.over

    def _advance(self, probabilities: Sequence[float]) -> None:
        for n in range(self._done, len(probabilities)):
            if n:
                self._sum += probabilities[n] + self._node_value
            self._best_rate = max(self._best_rate, self._sum / self._seconds[n])
        self._done = len(probabilities)

    def width(self, probabilities: Sequence[float]) -> int:
        """The best number of nodes, the root included; the narrower one of equals."""
        return choose_width(probabilities[1:], self._seconds, self._node_value)


class ChainRule(StopRule):
    """The length of a chain that maximises expected tokens per second, what is read again included.

    Tokens to be read again make this pass wider. If the chain is then rejected in part, they and the accepted ones make
    the next pass wider; a pass without a draft leaves nothing to be read again.

    Args:
        pass_seconds: As for ``StopRule``, for passes that read nothing again.
        chain: What this pass reads again.
    """

    def __init__(self, pass_seconds: Sequence[float], chain: Chain) -> None:
        super().__init__(pass_seconds[min(chain.reread, len(pass_seconds) - 1) :])
        self._all_seconds, self._chain = pass_seconds, chain

    def width(self, probabilities: Sequence[float]) -> int:
        """The best number of nodes, the root included; the narrower one of equals."""
        if not self._chain.rereads:
            return super().width(probabilities)
        best, best_rate, total = 1, 0.0, 0.0
        for width, (probability, seconds) in enumerate(zip(probabilities, self._seconds, strict=False), start=1):
            total += probability
            # The root and the accepted tokens of a chain that is rejected in part, times the probability of that.
            again = (1.0 - probability) * self._chain.reread + total - probability * width
            rate = total / (seconds + self._wider(again, 1.0 - probability))
            if rate > best_rate:
                best, best_rate = width, rate
        return best

    def _wider(self, tokens: float, probability: float) -> float:
        """Seconds that so many more tokens, of a pass that comes with this probability, are expected to add."""
        if probability <= 0.0:
            return 0.0
        place = min(round(tokens / probability), len(self._all_seconds) - 1)
        return probability * max(0.0, self._all_seconds[place] - self._all_seconds[0])


def _bends(seconds: Sequence[float], n: int) -> bool:
    return abs(seconds[n + 1] - 2 * seconds[n] + seconds[n - 1]) > 1e-6 * seconds[n]
