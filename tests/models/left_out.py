#!/usr/bin/env python3
"""Predictions for status monitors that taught the model nothing, judged as all others are.

    left_out.py FORESHIFT_LAB CONFIG ROWS DATA OUT

Monitors are dealt into five parts by their names. For each part a probe model is trained without it (and without the
routes that score.py routes over), on ROWS, as `make train-probe` does it; its predictions for that part are kept. It goes on
learning as it replays, as the shipped one does. Together they are as many predictions as the shipped model's.
"""

import csv
import gzip
import subprocess
import sys
import zlib
from pathlib import Path

# A model of four fifths of the monitors is near to the shipped one, and five take a quarter of an hour.
PARTS = 5


def monitors(signals):
    with gzip.open(signals, "rt") as file:
        return sorted({row["route"] for row in csv.DictReader(file)})


def part_of(route):
    return zlib.crc32(route.encode()) % PARTS


def train(lab, config, rows, signals, out, without):
    told = [argument for route in ["frontends/*", *without] for argument in ("--without", route)]
    subprocess.run(
        [lab, "train", "--scale", "probe", "--rows", rows, "--config", config, "--input", signals]
        + ["--until", "2025-01-01", "--out", out, *told],
        check=True,
    )


def main():
    lab, config, rows, data, out = sys.argv[1:]
    signals, out = Path(data) / "signals.csv.gz", Path(out)
    out.mkdir(parents=True, exist_ok=True)
    routes = monitors(signals)
    with open(out / "P.csv", "w") as merged:
        for part in range(PARTS):
            left_out = {route for route in routes if part_of(route) == part}
            model, said = out / f"part-{part}/probe/1", out / f"P-{part}.csv"
            train(lab, config, rows, signals, model, sorted(left_out))
            subprocess.run(
                [lab, "replay", "--config", config, "--input", signals, "--model", model, "--predictions", said],
                check=True,
            )
            with open(said) as file:
                header = next(file)
                if part == 0:
                    merged.write(header)
                merged.writelines(line for line in file if line.split(",", 2)[1] in left_out)
            said.unlink()
    judge = Path(data) / "score.py"
    subprocess.run([sys.executable, judge, "t1", signals, out / "P.csv", "--from", "1735689600"], check=True)


if __name__ == "__main__":
    main()
