"""The garbage collector skips existing objects, until the ``with`` ends; how torch's threads wait."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from lookahead.process import SPINS, everything_stays, wait_briefly


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


def test_a_choice_of_ones_own_is_kept() -> None:
    for chosen in ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "passive"}):
        environment = dict(chosen)
        wait_briefly(environment)
        assert environment == chosen
    environment = {}
    wait_briefly(environment)
    assert environment == {"GOMP_SPINCOUNT": SPINS}


def test_commands_and_app_choose_before_torch_is_there() -> None:
    code = (
        "import sys, os, lookahead.cli.main, app.main; assert 'torch' not in sys.modules;"
        "os.environ.pop('GOMP_SPINCOUNT', None); lookahead.cli.main.main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0
