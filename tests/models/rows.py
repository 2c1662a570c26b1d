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


def read(path: str, horizon_s: float, every: int = 1) -> Rows:
    """Reads the rows of one horizon; of many, each `every`-th tick of a target."""
    frame = pl.read_parquet(path).filter(pl.col("horizon_s") == horizon_s, pl.col("label").is_not_null())
    frame = frame.sort("time", "target")
    if every > 1:
        turn = pl.int_range(pl.len()).over("target")
        frame = frame.filter((turn + pl.col("target").hash(7) % every) % every == 0)
    names = [name for name in frame.columns if name not in META]
    labels = frame["label"].to_numpy().astype(np.int8)
    if labels.size == 0 or labels.min() == labels.max():
        raise SystemExit(f"{path}: the rows of {horizon_s} s have no {'positive' if labels.size == 0 or not labels.max() else 'negative'} label")
    return Rows(
        keys=frame.select("time", "target", "horizon_s"),
        names=names,
        features=frame.select(names).to_numpy().astype(np.float64),
        labels=labels,
        times=frame["time"].dt.epoch("us").to_numpy(),
        known=frame["label_known_at"].dt.epoch("us").to_numpy(),
    )
