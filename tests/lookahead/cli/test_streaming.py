"""Text before a stop string: whatever the pieces, what came out is the text up to the first stop string."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lookahead.cli.streaming import TextBeforeStop

letters = st.text("ab", max_size=12)


class _Letters:
    """Token 0 is a, token 1 is b."""

    def push(self, token_ids: Sequence[int]) -> str:
        """One letter a token."""
        return "".join("ab"[token_id] for token_id in token_ids)

    def finish(self) -> str:
        """Nothing is held back."""
        return ""


@given(st.lists(st.lists(st.integers(0, 1), max_size=4)), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_shown_text_is_the_text_before_the_first_stop(chunks: list[list[int]], stop: list[str]) -> None:
    stream = TextBeforeStop(_Letters(), stop)
    shown = [stream.push(chunk) for chunk in chunks] + [stream.finish()]
    # The run ends with the token that completes a stop string, so what follows in the text never came.
    text = _Letters().push([token_id for chunk in chunks for token_id in chunk])
    ends = [place for string in stop if (place := text.find(string)) >= 0]
    assert "".join(shown) == stream.text
    if not ends:
        assert stream.text == text
    else:
        assert not any(string in stream.text for string in stop)
        assert text.startswith(stream.text)
