#!/usr/bin/env bash
# Makes a Python with matplotlib ready for the testbed's plots. Prints its path.
set -euo pipefail

version=3.10.7
venv=$("$(dirname "$0")/../venv.sh" plots "$version" "matplotlib==$version")
echo "$venv/bin/python"
