"""Rows as `foreshift-lab extract` writes them, as arrays."""

from dataclasses import dataclass

import numpy as np
import polars as pl

META = [
    "time", "route", "target", "horizon_s", "label", "label_known_at", "incident_id", "row_weight", "treated",
    "propensity", "held_out", "weight_bp",
]


@dataclass
class Rows:
    """The rows of one horizon whose label is known, in order of time."""

    keys: pl.DataFrame  # time, target, horizon_s
    names: list[str]
    features: np.ndarray  # float64, NaN is missing
    labels: np.ndarray  # 0 or 1
    weights: np.ndarray
    times: np.ndarray  # microseconds
    known: np.ndarray  # when the label was known, microseconds


def read(path: str, horizon_s: float) -> Rows:
    """Reads the rows of one horizon."""
    frame = pl.read_parquet(path).filter(pl.col("horizon_s") == horizon_s, pl.col("label").is_not_null())
    frame = frame.sort("time", "target")
    names = [name for name in frame.columns if name not in META]
    labels = frame["label"].to_numpy().astype(np.int8)
    if not 0 < labels.sum() < labels.size:
        raise SystemExit(f"{path}: the {labels.size} rows of {horizon_s} s do not hold both labels")
    features = frame.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    features[np.isinf(features)] = np.nan
    return Rows(
        keys=frame.select("time", "target", "horizon_s"),
        names=names,
        features=features,
        labels=labels,
        weights=frame["row_weight"].to_numpy(),
        times=frame["time"].dt.epoch("us").to_numpy(),
        known=frame["label_known_at"].dt.epoch("us").to_numpy(),
    )


def keep_targets(path: str, out: str, count: int, seed: int) -> None:
    """Writes the rows of so many targets, drawn by a seed: all rows of each, so that a stream stays one."""
    names = pl.scan_parquet(path).select(pl.col("target").unique()).collect()["target"].sort()
    chosen = names.gather(np.random.default_rng(seed).permutation(len(names))[:count])
    rows = pl.scan_parquet(path).filter(pl.col("target").is_in(chosen.implode())).collect()
    about = {key: text for key, text in pl.read_parquet_metadata(path).items() if key == "foreshift"}
    rows.write_parquet(out, metadata=about)
