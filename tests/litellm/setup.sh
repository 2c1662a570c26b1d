#!/usr/bin/env bash
# Makes a real LiteLLM ready for the integration tests: a virtual environment outside the repository with LiteLLM from PyPI
# and this repository's Python client. Safe to call at any time. Prints where the environment is.
set -euo pipefail

version=1.106.2
here=$(cd "$(dirname "$0")" && pwd)
client=$(cd "$here/../../clients/python" && pwd)
venv="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/litellm-$version"

if [ ! -x "$venv/bin/pytest" ]; then
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "litellm: Python's venv is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    echo "litellm: fetching LiteLLM $version" >&2
    mkdir -p "$(dirname "$venv")"
    partial=$(mktemp -d "$venv.partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    python3 -m venv "$partial"
    "$partial/bin/python" -m pip install --quiet --disable-pip-version-check \
        "litellm==$version" "opentelemetry-proto==1.45.2" "grpcio==1.85.1" "protobuf==7.36.2" "pytest==9.2.0" >&2
    # Under its final name only when it is whole. Programs in it know the path they were made for, so they are run by its Python.
    rm -rf "$venv"
    mv "$partial" "$venv"
fi
# The client as it is now: it changes more often than the rest.
stamp="$venv/client.stamp"
if [ ! -e "$stamp" ] || [ -n "$(find "$client" -newer "$stamp" \( -name '*.py' -o -name '*.toml' -o -name '*.binpb' \) -print -quit)" ]; then
    (
        flock 9
        source=$(mktemp -d)
        trap 'rm -rf "$source"' EXIT
        # Built from a copy: setuptools leaves its traces beside the sources.
        cp -r "$client/." "$source"
        touch "$stamp.new"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$source" >&2
        mv "$stamp.new" "$stamp"
    ) 9>"$venv/client.lock"
fi
echo "$venv"
