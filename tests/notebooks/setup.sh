#!/usr/bin/env bash
# Makes the Python that runs notebooks/ ready. Prints where it is.
set -euo pipefail

venv=$("$(dirname "$0")/../venv.sh" notebooks 1 "numpy==2.4.6" "polars==2.1.0" "matplotlib==3.11.2" "lightgbm==4.7.0" \
    "scikit-learn==1.9.1" "nbclient==0.11.0" "ipykernel==7.4.0")
echo "$venv/bin/python"
