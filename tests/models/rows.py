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
    return Rows(
        keys=frame.select("time", "target", "horizon_s"),
        names=names,
        features=frame.select(names).to_numpy().astype(np.float64),
        labels=labels,
        times=frame["time"].dt.epoch("us").to_numpy(),
        known=frame["label_known_at"].dt.epoch("us").to_numpy(),
    )
