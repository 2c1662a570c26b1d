#!/usr/bin/env bash
# Makes a Python with matplotlib ready for the testbed's plots, in a cache outside the repository. Prints its path.
set -euo pipefail

version=3.10.7
venv="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/plots-$version"

if [ ! -e "$venv/ready" ]; then
    echo "testbed: fetching matplotlib $version" >&2
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >&2; then
        echo "testbed: Python's venv is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    "$venv/bin/pip" install --quiet --disable-pip-version-check "matplotlib==$version" >&2
    touch "$venv/ready"
fi
echo "$venv/bin/python"
