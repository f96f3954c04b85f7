#!/usr/bin/env bash
# Installs what the tests need into .venv and runs all of them:  bash tests/run.sh [pytest arguments]
# PYTHON=python3.12 chooses the interpreter, NO_INSTALL=1 takes .venv as it is. Without pytest arguments the engine's
# tests run once more with the oldest transformers that pyproject.toml admits (.venv-oldest; the rest is .venv's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE # every process would compile torch, transformers and gradio for itself, half a minute each

missing() {
    echo "tests/run.sh: $1" >&2
    exit 1
}

# What waits for the network or keeps one core busy runs beside other things: begin NAME COMMAND..., and end NAME prints
# what it said and notes if it failed.
beside=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$beside"' EXIT
failed=""

begin() {
    "${@:2}" >"$beside/$1" 2>&1 &
    echo $! >"$beside/$1.pid"
}

end() {
    local status=0
    wait "$(cat "$beside/$1.pid")" || status=$?
    cat "$beside/$1"
    [ "$status" = 0 ] || failed="$failed${failed:+, }$1"
}

make_venv() {
    local python="${PYTHON:-python3}"
    command -v "$python" >/dev/null || missing "no $python here; install Python 3.11 or newer, or set PYTHON"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        missing "$("$python" --version) is too old; need 3.11 or newer (set PYTHON to one)"
    [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    "$python" -m venv .venv || missing "cannot make .venv; on Debian and Ubuntu: apt-get install python3-venv"
}

# Only what is imported is compiled, and when it is: a small part of all files.
pip() {
    .venv/bin/python -m pip "$@" -qq --disable-pip-version-check --no-compile
}

install_packages() {
    pip install --requirement requirements-dev.txt ||
        missing "pip could not install requirements-dev.txt (its own message is above); is the network up?"
}

# The browser tests take Debian's Chromium where apt is there, without a window if it has that, Playwright's own elsewhere.
install_by_apt() {
    local root=()
    command -v chromium-headless-shell >/dev/null && return
    command -v apt-get >/dev/null || return 0
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    "${root[@]}" apt-get update -qq >/dev/null 2>&1 || return 0
    local name
    for name in chromium-headless-shell chromium; do
        "${root[@]}" apt-get install -qq -y "$name" >/dev/null 2>&1 && return
    done
    return 0
}

install_chromium() {
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null ||
        .venv/bin/playwright install chromium >/dev/null 2>&1 ||
        missing "no Chromium for the browser tests: install Debian's 'chromium', or run .venv/bin/playwright install chromium"
}

# .venv-oldest holds that transformers and what it needs; everything else (torch, pytest) is found behind that in .venv.
has_oldest() {
    [ -x .venv-oldest/bin/python ] && .venv-oldest/bin/python -c "import sys, torch, pytest, transformers
sys.exit(transformers.__version__ != '$oldest')" >/dev/null 2>&1
}

make_oldest() {
    has_oldest && return
    rm -rf .venv-oldest
    .venv/bin/python -m venv --without-pip .venv-oldest &&
        pip --python .venv-oldest/bin/python install "transformers==$oldest" ||
        missing "pip could not install transformers $oldest into .venv-oldest (its own message is above)"
    local packages='import sysconfig; print(sysconfig.get_path("purelib"))'
    .venv/bin/python -c "$packages" >"$(.venv-oldest/bin/python -c "$packages")/behind.pth"
    has_oldest || missing "transformers $oldest in .venv-oldest cannot be imported"
}

# With this environment, in one process per core.
run_tests() {
    OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" "$1/bin/python" -m pytest -n auto "${@:2}"
}

if [ -z "${NO_INSTALL:-}" ]; then
    make_venv
    begin "apt" install_by_apt
    install_packages
    end "apt"
    install_chromium
fi
[ -x .venv/bin/python ] || missing "no .venv here; run without NO_INSTALL=1 once"

oldest=$(sed -n 's/.*"transformers>=\([0-9.]*\),.*/\1/p' pyproject.toml)
parts=("ruff check" "ruff format" "the page's scripts")
begin "${parts[0]}" .venv/bin/ruff check .
begin "${parts[1]}" .venv/bin/ruff format --check .
begin "${parts[2]}" bash tests/web/check.sh
begin "pyright" nice -n 19 .venv/bin/pyright --pythonpath .venv/bin/python # beside the tests, while these wait
if [ $# = 0 ] && [ -z "${NO_INSTALL:-}" ]; then
    parts+=("the oldest transformers")
    begin "${parts[3]}" make_oldest
fi
for part in "${parts[@]}"; do end "$part"; done
[ -z "$failed" ] || echo "tests/run.sh: failed before the tests: $failed (see above)"

# All tests, each file in one of the processes; what is asked for by name in this one.
run_all() {
    run_tests .venv -rs --dist loadfile || return
    if has_oldest; then
        echo "tests/run.sh: the engine's tests with transformers $oldest"
        run_tests .venv-oldest --dist worksteal tests/lookahead/test_{backend,bench,families,generation,text,ties}.py ||
            return  # one of these files is half of it
    elif [ -n "${NO_INSTALL:-}" ]; then
        echo "tests/run.sh: no .venv-oldest with transformers $oldest here; run without NO_INSTALL=1 once to test it"
    fi
}

status=0
if [ $# -gt 0 ]; then
    .venv/bin/python -m pytest -rs "$@" || status=$?
else
    run_all || status=$?
fi
end "pyright"
[ -z "$failed" ] || echo "tests/run.sh: failed besides the tests: $failed (see above)"
[ "$status" = 0 ] || exit "$status"
[ -z "$failed" ]
