"""Models of LightGBM and XGBoost with what they say, for the tests of the importers.

    imports.py FOLDER [--trees N] [--leaves N] [--rows N] [--features N]

Writes `rows.csv`, for each model its file as the library saves it, and beside it `NAME.csv`: for each row the
probability, the leaf of the first tree as the library numbers it (LightGBM only, else empty), then what each
feature contributes and the expected log-odds. Without options these are the files of
crates/foreshift-predict/tests/imports; larger ones can be compared with the same test by its variable IMPORTS.
"""

import argparse
import os

import lightgbm
import numpy as np
import xgboost


def rows(count, features, seed=0):
    """Values with many digits, few levels, zeros and missing ones."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(count, features))
    x[:, 1] = np.floor(x[:, 1] * 2)
    x[chance.random(count) < 0.5, 2] = 0.0
    x[:, 3] *= 1e6
    logit = 2 * x[:, 0] * np.sign(x[:, 1]) + x[:, 2] - 1
    x[chance.random((count, features)) < 0.1] = np.nan
    x[:, 4] = np.nan_to_num(x[:, 4])
    return x, (chance.random(count) < 1 / (1 + np.exp(-np.nan_to_num(logit)))).astype(float)


def names(x):
    return [f"feature_{number}" for number in range(x.shape[1])]


def write(path, columns):
    np.savetxt(path, np.column_stack(columns), fmt="%.17g", delimiter=",")


LIGHTGBM = {
    "lightgbm": {},
    "lightgbm_zeros": {"zero_as_missing": True},
    "lightgbm_none": {"use_missing": False},
    "lightgbm_sigmoid": {"sigmoid": 0.7},
    "lightgbm_dart": {"boosting": "dart", "drop_rate": 0.5},
    "lightgbm_forest": {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    "lightgbm_categorical": {},
    "lightgbm_regression": {"objective": "regression"},
}

XGBOOST = {
    "xgboost": {},
    "xgboost_exact": {"tree_method": "exact", "base_score": 0.2},
    "xgboost_dart": {"booster": "dart", "rate_drop": 0.5},
    "xgboost_forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "xgboost_regression": {"objective": "reg:squarederror"},
    "xgboost_linear": {"booster": "gblinear"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--trees", type=int, default=7)
    parser.add_argument("--leaves", type=int, default=8)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--features", type=int, default=6)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    learned, labels = rows(max(2000, args.rows), args.features)
    asked, _ = rows(args.rows, args.features, seed=1)
    write(f"{args.folder}/rows.csv", [asked])
    for name, extra in LIGHTGBM.items():
        params = {"objective": "binary", "num_leaves": args.leaves, "num_threads": 1, "verbose": -1, **extra}
        if name == "lightgbm_categorical":
            learned_now, kinds = np.nan_to_num(np.abs(learned)), [1]
        else:
            learned_now, kinds = learned, "auto"
        data = lightgbm.Dataset(learned_now, labels, feature_name=names(learned), categorical_feature=kinds)
        model = lightgbm.train(params, data, args.trees)
        text = model.model_to_string().split("\nfeature_importances:")[0] + "\n"
        with open(f"{args.folder}/{name}.txt", "w") as file:
            file.write(text)
        leaf = model.predict(asked, pred_leaf=True)[:, 0]
        # LightGBM explains the sum of the trees, whatever is made of it.
        factor = extra.get("sigmoid", 1.0) / (args.trees if name == "lightgbm_forest" else 1)
        added = model.predict(asked, pred_contrib=True) * factor
        columns = [model.predict(asked), leaf, added]
        if not name.endswith(("categorical", "regression")):
            write(f"{args.folder}/{name}.csv", columns)
    for name, extra in XGBOOST.items():
        params = {"objective": "binary:logistic", "max_leaves": args.leaves, "max_depth": 5, "nthread": 1, **extra}
        data = xgboost.DMatrix(learned, labels, feature_names=names(learned))
        model = xgboost.train(params, data, args.trees)
        model.save_model(f"{args.folder}/{name}.json")
        if name.endswith(("linear", "regression")):
            continue
        wanted = xgboost.DMatrix(asked, feature_names=names(learned))
        leaf = np.full(len(asked), np.nan)
        columns = [model.predict(wanted), leaf, model.predict(wanted, pred_contribs=True)]
        write(f"{args.folder}/{name}.csv", columns)


if __name__ == "__main__":
    main()
