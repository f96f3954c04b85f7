"""How torch's threads wait."""

from __future__ import annotations

import subprocess
import sys

from lookahead.openmp import SPINS, wait_briefly


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
