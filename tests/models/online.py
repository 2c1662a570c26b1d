"""Online models that a user might pick instead, each run as it would have been run: it predicts a row when it comes,
and learns from it when its label became known, not before."""

import heapq
import time

import numpy as np
from river import forest, linear_model, optim, preprocessing, tree
from vowpalwabbit import pyvw

from rows import Rows


class River:
    """A model of River. Missing features are left out of a row, as its models take it."""

    def __init__(self, model, names):
        self.model, self.names = model, names

    def row(self, values):
        return {name: value for name, value in zip(self.names, values) if value == value}

    def predict(self, row):
        return self.model.predict_proba_one(row).get(True, 0.0)

    def learn(self, row, label):
        self.model.learn_one(row, bool(label))


class Vowpal:
    """Vowpal Wabbit with logistic loss. Rows are made once, its text is parsed at each call as its users do."""

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
    "River logistic (FTRL)": lambda names: River(logistic(), names),
    "River Hoeffding tree": lambda names: River(tree.HoeffdingTreeClassifier(), names),
    "River adaptive random forest, 10 trees": lambda names: River(forest.ARFClassifier(n_models=10, seed=1), names),
    "Vowpal Wabbit": lambda names: Vowpal("", names),
    "Vowpal Wabbit, quadratic": lambda names: Vowpal("-q ff", names),
}


def run(make, rows: Rows, progress) -> tuple[np.ndarray, float]:
    """The probability of each row before its label was known, and the time that a row took, in microseconds."""
    model = make(rows.names)
    said = np.empty(len(rows.labels))
    waiting: list[tuple[int, int, object]] = []
    began = time.perf_counter()
    for at, values in enumerate(rows.features):
        now = rows.times[at]
        while waiting and waiting[0][0] <= now:
            _, which, row = heapq.heappop(waiting)
            model.learn(row, rows.labels[which])
        row = model.row(values.tolist())
        said[at] = model.predict(row)
        heapq.heappush(waiting, (int(rows.known[at]), at, row))
        progress(at)
    return said, (time.perf_counter() - began) / len(rows.labels) * 1e6
