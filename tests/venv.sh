#!/usr/bin/env bash
# Makes a Python environment outside the repository: venv.sh NAME VERSION PACKAGE... Safe to call at any time. Prints where
# it is. Programs in it know the path they were made for, so run them by its bin/python.
set -euo pipefail

name=$1 version=$2
shift 2
venv="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/$name-$version"

if [ ! -x "$venv/bin/python" ]; then
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "$name: Python's venv is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    echo "$name: fetching $*" >&2
    mkdir -p "$(dirname "$venv")"
    partial=$(mktemp -d "$venv.partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    python3 -m venv "$partial"
    "$partial/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
    # Under its final name only when it is whole.
    rm -rf "$venv"
    mv "$partial" "$venv"
fi
echo "$venv"
