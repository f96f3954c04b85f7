#!/usr/bin/env bash
# Installs what the tests need into .venv and runs all of them:  bash tests/run.sh [pytest arguments]
# PYTHON=python3.12 chooses the interpreter, NO_INSTALL=1 takes .venv as it is. Without pytest arguments the engine's
# tests run once more with the oldest transformers that pyproject.toml admits (.venv-oldest; the rest is .venv's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing() {
    echo "tests/run.sh: $1" >&2
    exit 1
}

make_venv() {
    local python="${PYTHON:-python3}"
    command -v "$python" >/dev/null || missing "no $python here; install Python 3.11 or newer, or set PYTHON"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        missing "$("$python" --version) is too old; need 3.11 or newer (set PYTHON to one)"
    [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    "$python" -m venv .venv || missing "cannot make .venv; on Debian and Ubuntu: apt-get install python3-venv"
}

install_packages() {
    .venv/bin/python -m pip install -qq --disable-pip-version-check --requirement requirements-dev.txt ||
        missing "pip could not install requirements-dev.txt (its own message is above); is the network up?"
}

# The browser tests take Debian's Chromium where apt is there, Playwright's own elsewhere.
install_chromium() {
    command -v chromium >/dev/null && return
    if command -v apt-get >/dev/null; then
        local root=()
        [ "$(id -u)" = 0 ] || root=(sudo -n)
        if { "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -qq -y chromium; } >/dev/null 2>&1 &&
            command -v chromium >/dev/null; then
            return
        fi
    fi
    .venv/bin/playwright install chromium >/dev/null 2>&1 && return
    missing "no Chromium for the browser tests: install Debian's 'chromium', or run .venv/bin/playwright install chromium"
}

# .venv-oldest holds that transformers and what it needs; everything else (torch, pytest) is found behind that in .venv.
has_oldest() {
    [ -x .venv-oldest/bin/python ] && .venv-oldest/bin/python -c "import sys, torch, pytest, transformers
sys.exit(transformers.__version__ != '$1')" >/dev/null 2>&1
}

make_oldest() {
    rm -rf .venv-oldest
    .venv/bin/python -m venv --without-pip .venv-oldest &&
        .venv/bin/python -m pip --python .venv-oldest/bin/python install -qq --disable-pip-version-check \
            "transformers==$1" ||
        missing "pip could not install transformers $1 into .venv-oldest (its own message is above)"
    local packages='import sysconfig; print(sysconfig.get_path("purelib"))'
    .venv/bin/python -c "$packages" >"$(.venv-oldest/bin/python -c "$packages")/behind.pth"
}

test_oldest() {
    local oldest
    oldest=$(sed -n 's/.*"transformers>=\([0-9.]*\),.*/\1/p' pyproject.toml)
    if ! has_oldest "$oldest"; then
        if [ -n "${NO_INSTALL:-}" ]; then
            echo "tests/run.sh: no .venv-oldest with transformers $oldest here; run without NO_INSTALL=1 once to test it"
            return
        fi
        make_oldest "$oldest"
        has_oldest "$oldest" || missing "transformers $oldest in .venv-oldest cannot be imported"
    fi
    echo "tests/run.sh: the engine's tests with transformers $oldest"
    .venv-oldest/bin/python -m pytest tests/lookahead/test_{backend,bench,families,generation,text,ties}.py
}

if [ -z "${NO_INSTALL:-}" ]; then
    make_venv
    install_packages
    install_chromium
fi
[ -x .venv/bin/python ] || missing "no .venv here; run without NO_INSTALL=1 once"

failed=""
check() {
    "${@:2}" || failed="$failed${failed:+, }$1"
}
check "ruff check" .venv/bin/ruff check .
check "ruff format" .venv/bin/ruff format --check .
check "pyright" .venv/bin/pyright --pythonpath .venv/bin/python
check "the page's scripts" bash tests/web/check.sh
[ -z "$failed" ] || echo "tests/run.sh: failed before the tests: $failed (see above)"
# All tests in one process per core, each file in one of them; what is asked for by name in this one.
if [ $# -gt 0 ]; then
    .venv/bin/python -m pytest -rs "$@" || exit
else
    OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" .venv/bin/python -m pytest -rs -n auto --dist loadfile || exit
fi
[ $# -gt 0 ] || test_oldest || exit
[ -z "$failed" ]
