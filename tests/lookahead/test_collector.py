"""What stays in memory is not looked through, and is again afterwards."""

from __future__ import annotations

import gc

import pytest

from lookahead.collector import everything_stays


def test_what_is_there_is_out_of_the_collectors_sight_while_it_lasts() -> None:
    before = [[]]
    with everything_stays():
        made = [[]]
        seen = gc.get_objects()
        assert not any(item is before for item in seen)
        assert any(item is made for item in seen)
    assert any(item is before for item in gc.get_objects())


def test_a_failure_inside_leaves_nothing_frozen() -> None:
    with pytest.raises(ValueError, match="inside"), everything_stays():
        raise ValueError("inside")
    assert gc.get_freeze_count() == 0
