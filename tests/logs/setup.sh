#!/usr/bin/env bash
# Makes Drain3 ready for tests/logs/bench.py. Prints where its Python is.
set -euo pipefail

version=0.9.11
venv=$("$(dirname "$0")/../venv.sh" drain3 "$version" "drain3==$version")
echo "$venv/bin/python"
