"""Online models that a user might pick instead, beside Foreshift's, on the same rows of `foreshift-lab extract`.

    online.py LAB ROWS.parquet HORIZON_S OUT [--model DIR ...] [--from SHARE|DAY] [--without NAME ...] [--kept]

LAB is the built foreshift-lab; --model names versions of models/ beside `fresh`, which has learned nothing before. Every
model is run as it would have been run: it says what it thinks of a row when the row comes, and learns from it when its
label became known, not before. What each said is kept in the folder OUT, and `foreshift-lab compare` measures all of it
into OUT/figures.json. Times are of one processor, Python included where the library is one of Python. With --kept what
others said in an earlier run is read instead of said again.
"""

import argparse
import heapq
import json
import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
from river import forest, linear_model, optim, preprocessing, tree
from vowpalwabbit import pyvw

from rows import Rows, read


class River:
    """A model of River. A missing feature is 0 and has an indicator."""

    def __init__(self, model, names):
        self.model, self.names = model, [(name, f"{name}_missing") for name in names]

    def row(self, values):
        row = {}
        for (name, missing), value in zip(self.names, values):
            known = value == value
            row[name], row[missing] = (value, 0.0) if known else (0.0, 1.0)
        return row

    def predict(self, row):
        return self.model.predict_proba_one(row).get(True, 0.0)

    def learn(self, row, label):
        self.model.learn_one(row, bool(label))


class RiverTree(River):
    """A tree of River. Missing features are left out of a row, as its trees take it."""

    def row(self, values):
        return {name: value for (name, _), value in zip(self.names, values) if value == value}


class Vowpal:
    """Vowpal Wabbit with logistic loss; it parses the text of a row at each call, as its users have it do."""

    def __init__(self, options, names):
        self.model = pyvw.Workspace(f"--loss_function logistic --link logistic --quiet {options}")
        self.names = names

    def row(self, values):
        known = (f"{name}:{value:.6g}" for name, value in zip(self.names, values) if value == value and value != 0.0)
        missing = (f"{name}_missing" for name, value in zip(self.names, values) if value != value)
        return f"|f {' '.join(known)} {' '.join(missing)}"

    def predict(self, row):
        return self.model.predict(row)

    def learn(self, row, label):
        self.model.learn(f"{1 if label else -1} {row}")


def logistic():
    """FTRL-proximal logistic regression on standardised features."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.FTRLProximal(alpha=0.1, beta=1.0))


MODELS = {
    "river-logistic": lambda names: River(logistic(), names),
    "river-hoeffding-tree": lambda names: RiverTree(tree.HoeffdingTreeClassifier(), names),
    "river-adaptive-forest": lambda names: RiverTree(forest.ARFClassifier(n_models=10, seed=1), names),
    "vowpal-wabbit": lambda names: Vowpal("", names),
    "vowpal-wabbit-quadratic": lambda names: Vowpal("-q ff", names),
}


def run(make, rows: Rows, progress) -> tuple[np.ndarray, float]:
    """What a model said of each row, and how many microseconds it took for one, learning included."""
    model = make(rows.names)
    said = np.empty(len(rows.labels))
    waiting: list[tuple[int, int, object]] = []
    began = time.process_time()
    for at, values in enumerate(rows.features):
        while waiting and waiting[0][0] <= rows.times[at]:
            _, which, row = heapq.heappop(waiting)
            model.learn(row, rows.labels[which])
        row = model.row(values.tolist())
        said[at] = model.predict(row)
        heapq.heappush(waiting, (int(rows.known[at]), at, row))
        progress(at)
    return said, (time.process_time() - began) / len(rows.labels) * 1e6


def meter(name: str, total: int):
    """Shows how far a run is, on a terminal."""
    step = max(total // 100, 1)

    def progress(at):
        if at % step == 0 and sys.stderr.isatty():
            print(f"\r{name}: {100 * at // total} %", end="", file=sys.stderr)

    return progress


def compare(lab, rows_path, horizon_s, out, models=(), begin="0.3", without=(), kept=False):
    """Runs all models over the rows, and gives what `foreshift-lab compare` says of them, with times."""
    rows = read(rows_path, horizon_s)
    os.makedirs(out, exist_ok=True)
    figures_path = os.path.join(out, "figures.json")
    files, times = [], {}
    earlier = {}
    if kept and os.path.exists(figures_path):
        with open(figures_path, encoding="utf-8") as file:
            earlier = json.load(file)["row_us"]
    for name, make in MODELS.items():
        if name in without:
            continue
        file = os.path.join(out, f"{name}.parquet")
        files.append(file)
        if name in earlier and os.path.exists(file) and os.path.getmtime(file) > os.path.getmtime(rows_path):
            times[name] = earlier[name]
            continue
        said, times[name] = run(make, rows, meter(name, len(rows.labels)))
        print(f"\r{out}: {name}, {times[name]:.0f} us a row", file=sys.stderr, flush=True)
        rows.keys.with_columns(pl.Series("probability", np.clip(said, 0.0, 1.0))).write_parquet(file)
    command = [lab, "compare", "fresh", *models, "linfa-ftrl", *files]
    command += ["--rows", rows_path, "--horizon", f"{horizon_s:g}s", "--from", begin, "-o", "json"]
    figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    figures["row_us"].update(times)
    with open(figures_path, "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)
    return figures


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("lab")
    arguments.add_argument("rows")
    arguments.add_argument("horizon_s", type=float)
    arguments.add_argument("out")
    arguments.add_argument("--model", action="append", default=[])
    arguments.add_argument("--from", dest="begin", default="0.3")
    arguments.add_argument("--without", action="append", default=[], choices=MODELS)
    arguments.add_argument("--kept", action="store_true")
    asked = arguments.parse_args()
    figures = compare(
        asked.lab, asked.rows, asked.horizon_s, asked.out, asked.model, asked.begin, asked.without, asked.kept
    )
    for horizon in figures["horizons"]:
        for method in horizon["methods"]:
            row_us = figures["row_us"].get(method["method"])
            if row_us is not None:
                print(f"{method['method']:28} average precision {method['average_precision']['value']:.3f}, {row_us:.1f} us a row")


if __name__ == "__main__":
    main()
