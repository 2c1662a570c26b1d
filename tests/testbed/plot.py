"""Plots of a run of `foreshift-testbed compare`: plot.py RUN OUT [SWEEP]

RUN is the folder of a comparison, SWEEP that of one over several strengths of the signs. Into OUT go
`failed.png` (failed requests by scenario and setup), `timeline.png` (one scenario, second by second) and
`sweep.png` (how the gain vanishes with the signs).
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {
    "envoy": "#9e9e9e",
    "outlier-defaults": "#bdbdbd",
    "outlier-tuned": "#7e9cc4",
    "health-checks": "#4a6fa5",
    "reactive": "#e0a458",
    "predictive": "#2a9d5c",
    "litellm": "#a08cc0",
    "litellm-foreshift": "#1b7a6e",
}
TIMELINE = "dependency-slowdown"


def outcomes(folder):
    with open(folder / "outcomes.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def failed(rows, **wanted):
    """Failed requests of the rows with these values, one for each seed."""
    return [row["failed"] for row in rows if all(row[key] == value for key, value in wanted.items())]


def plot_failed(rows, path):
    classes = {row["scenario"]: row["class"] for row in rows}
    scenarios = sorted(classes, key=lambda name: (["precursor", "abrupt", "brownout", "quiet"].index(classes[name]), name))
    setups = [setup for setup in COLOURS if any(row["setup"] == setup for row in rows)]
    figure, axes = plt.subplots(figsize=(11, 4.6))
    width = 0.8 / len(setups)
    for place, setup in enumerate(setups):
        label = setup
        for at, scenario in enumerate(scenarios):
            values = failed(rows, scenario=scenario, setup=setup)
            if not values:
                continue
            middle = statistics.median(values)
            x = at + (place - (len(setups) - 1) / 2) * width
            axes.bar(x, middle, width, color=COLOURS[setup], label=label)
            label = None
            axes.plot([x, x], [min(values), max(values)], color="black", linewidth=0.8)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylabel("failed requests (median, range)")
    axes.set_xticks(range(len(scenarios)), scenarios, rotation=25, ha="right")
    axes.legend(frameon=False, ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def requests(folder):
    with open(folder / "requests.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def by_second(seen, of):
    counts = defaultdict(int)
    for one in seen:
        if of(one):
            counts[int(one["sent_s"] // 5) * 5] += 1
    return counts


def plot_timeline(run, rows, path):
    mine = [row for row in rows if row["scenario"] == TIMELINE]
    seed, signs = mine[0]["seed"], mine[0]["signs"]
    folder = run / f"{TIMELINE}-{signs:g}-{seed}"
    fault = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))["faults"][0]
    signs_at, fails_at, ends_at = (fault[key] for key in ("signs_at_s", "fails_at_s", "ends_at_s"))
    figure, axes = plt.subplots(2, 1, figsize=(11, 5), sharex=True)
    for setup in ("health-checks", "reactive", "predictive"):
        seen = requests(folder / setup)
        everyone = by_second(seen, lambda one: one["target"])
        failing = by_second(seen, lambda one: one["target"] == fault["target"])
        bad = by_second(seen, lambda one: one["ending"] == "failed")
        times = sorted(everyone)
        axes[0].plot(times, [100 * failing[at] / everyone[at] for at in times], color=COLOURS[setup], label=setup)
        axes[1].plot(times, [bad[at] for at in times], color=COLOURS[setup])
    for panel in axes:
        panel.axvspan(signs_at, fails_at, color="#fff3d6", zorder=0)
        panel.axvspan(fails_at, ends_at, color="#f9d9d9", zorder=0)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("answered by the failing\ntarget, %")
    axes[0].legend(frameon=False, ncols=3)
    axes[1].set_ylabel("failed requests\nin 5 s of the story")
    axes[1].set_xlabel(f"seconds of {TIMELINE}: signs in yellow, failing in red")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def plot_sweep(rows, path):
    strengths = sorted({row["signs"] for row in rows})
    scenarios = sorted({row["scenario"] for row in rows})
    figure, axes = plt.subplots(figsize=(7, 4))
    for setup in COLOURS:
        if not failed(rows, setup=setup):
            continue
        sums = [
            sum(statistics.median(failed(rows, scenario=name, setup=setup, signs=signs)) for name in scenarios)
            for signs in strengths
        ]
        axes.plot(strengths, sums, marker="o", color=COLOURS[setup], label=setup)
    axes.set_xlabel("strength of the signs before the fault, against the scenario's own")
    axes.set_ylabel("failed requests, summed over\n" + ",\n".join(scenarios))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    run, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    rows = outcomes(run)
    plot_failed(rows, out / "failed.png")
    if any(row["scenario"] == TIMELINE for row in rows):
        plot_timeline(run, rows, out / "timeline.png")
    if len(sys.argv) == 4:
        plot_sweep(outcomes(Path(sys.argv[3])), out / "sweep.png")


main()
