#!/usr/bin/env python3
"""Runs the demo with several seeds and prints a row for each: `make survey`.

One seed shows how it works, ten show how often it does."""

import json
import subprocess
import sys

SEEDS = range(21, 31)
FACTOR = "100"


def row(binary: str, seed: int) -> tuple[float | None, list[int]]:
    command = [binary, "demo", "--seed", str(seed), "--speed", FACTOR, "-o", "json"]
    summary = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    fault = next(fault for fault in summary["faults"] if fault["has_precursor"])
    failed = [summary[policy]["failed"] for policy in ("staying_put", "reactive_breaker", "foreshift")]
    print(
        f"{seed:>4} | {shown(fault['lead_time_s']):>10} | {fault['weight_at_onset_bp'] / 100:>9.1f} % "
        f"| {summary['shifts_without_fault']:>13} | " + " | ".join(f"{count:>11,}" for count in failed),
        flush=True,
    )
    return fault["lead_time_s"], failed


def shown(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.0f} s"


def main() -> None:
    print("seed | lead, leak | left on it | needless moves | staying put | breaker     | Foreshift   failed requests")
    rows = [row(sys.argv[1], seed) for seed in SEEDS]
    early = sum(1 for lead, _ in rows if lead is not None and lead > 0)
    totals = [sum(column) for column in zip(*(failed for _, failed in rows))]
    print(f"in time: {early} of {len(rows)}; failed in all: {', '.join(f'{total:,}' for total in totals)}")


if __name__ == "__main__":
    main()
