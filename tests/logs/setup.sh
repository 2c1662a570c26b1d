#!/usr/bin/env bash
# Makes Drain3 ready for tests/logs/bench.py: a virtual environment outside the repository. Safe to call at any time. Prints where
# its Python is.
set -euo pipefail

version=0.9.11
venv="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/drain3-$version"

if [ ! -x "$venv/bin/python" ]; then
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "logs: Python's venv is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    echo "logs: fetching Drain3 $version" >&2
    mkdir -p "$(dirname "$venv")"
    partial=$(mktemp -d "$venv.partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    python3 -m venv "$partial"
    "$partial/bin/python" -m pip install --quiet --disable-pip-version-check "drain3==$version" >&2
    # Under its final name only when it is whole.
    rm -rf "$venv"
    mv "$partial" "$venv"
fi
echo "$venv/bin/python"
