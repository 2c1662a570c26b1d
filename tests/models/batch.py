"""Batch models that a user might pick instead, on walk-forward folds: each fold is scored by a model that saw only rows
whose labels were known before it began."""

import time

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from rows import Rows


class LightGbm:
    def fit(self, x, y):
        params = dict(objective="binary", num_leaves=31, learning_rate=0.1, num_threads=1, verbosity=-1, seed=1)
        self.model = lightgbm.train(params, lightgbm.Dataset(x, y), 200)

    def predict(self, x):
        return self.model.predict(x, num_threads=1)


class XgBoost:
    def fit(self, x, y):
        params = dict(
            objective="binary:logistic", tree_method="hist", grow_policy="lossguide", max_leaves=31, max_depth=0,
            eta=0.1, nthread=1, seed=1,
        )
        self.model = xgboost.train(params, xgboost.DMatrix(x, y, nthread=1), 200)

    def predict(self, x):
        return self.model.predict(xgboost.DMatrix(x, nthread=1))


class ScikitLearn:
    def __init__(self, model):
        self.model = model

    def fit(self, x, y):
        self.model.fit(x, y)

    def predict(self, x):
        return self.model.predict_proba(x)[:, 1]


def logistic():
    return make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=500))


MODELS = {
    "LightGBM": LightGbm,
    "XGBoost": XgBoost,
    "scikit-learn histogram boosting": lambda: ScikitLearn(
        HistGradientBoostingClassifier(max_iter=200, max_leaf_nodes=31, early_stopping=False, random_state=1)
    ),
    "scikit-learn logistic regression": lambda: ScikitLearn(logistic()),
}


def run(make, rows: Rows, folds) -> tuple[np.ndarray, float, float]:
    """The probability of each row (NaN before the first fold), and microseconds a row of fitting and of scoring.

    `folds` are pairs of times: a model is fitted on labels known before the first, and says what it thinks of the rows
    from the first to the second."""
    said = np.full(len(rows.labels), np.nan)
    fitting = scoring = fitted = scored = 0.0
    for begin, end in folds:
        train = rows.known <= begin
        test = (rows.times >= begin) & (rows.times < end)
        if rows.labels[train].sum() < 10 or not test.any():
            continue
        model = make()
        start = time.perf_counter()
        model.fit(rows.features[train], rows.labels[train])
        middle = time.perf_counter()
        said[test] = model.predict(rows.features[test])
        scoring += time.perf_counter() - middle
        fitting += middle - start
        fitted += train.sum()
        scored += test.sum()
    return said, fitting / max(fitted, 1) * 1e6, scoring / max(scored, 1) * 1e6
