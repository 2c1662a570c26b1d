#!/usr/bin/env bash
# Makes a real LiteLLM ready for the integration tests: a virtual environment outside the repository with LiteLLM from PyPI
# and this repository's Python client. Safe to call at any time. Prints where the environment is.
set -euo pipefail

version=1.106.2
here=$(cd "$(dirname "$0")" && pwd)
client=$(cd "$here/../../clients/python" && pwd)
venv=$("$here/../venv.sh" litellm "$version" "litellm==$version" "opentelemetry-proto==1.45.2" "grpcio==1.85.1" \
    "protobuf==7.36.2" "pytest==9.2.0")

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
