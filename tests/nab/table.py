#!/usr/bin/env python3
"""NAB, as its own score.py judges: `foreshift-lab anomaly` and a random detector beside what others published.

usage: table.py NAB_DIR SCORES_DIR   (SCORES_DIR as `foreshift-lab anomaly --input NAB_DIR/data` wrote it)

Behind our row stand the windows hit and the false rows at the standard profile's threshold; below, the standard
profile on each category at a threshold chosen on the other categories.
"""
import csv, importlib.util, json, os, random, sys

PUBLISHED = [
    ("ARTime", 74.9, 65.1, 80.4),
    ("Numenta HTM", 70.5, 62.6, 75.2),
    ("CAD OSE", 69.9, 67.0, 73.2),
    ("earthgecko Skyline", 58.2, 46.2, 63.9),
    ("Random Cut Forest", 51.7, 38.4, 59.7),
    ("windowed Gaussian", 39.6, 20.9, 47.4),
]


def column(path, name):
    with open(path) as f:
        return [row[name] for row in csv.DictReader(f)]


def at_threshold(judge, files, windows, threshold):
    """What the standard profile gives at a threshold, unscaled; windows hit; false rows."""
    total, hit, false = 0.0, 0, 0
    for name, (times, scores) in files.items():
        reward, window, probation = judge.geometry(times, windows[name])
        best = {}
        for i, score in enumerate(scores):
            if i < probation:
                continue
            if window[i] >= 0:
                best.setdefault(window[i], -1.0)
            if threshold is None or score < threshold:
                continue
            if window[i] >= 0:
                best[window[i]] = max(best[window[i]], reward[i])
            else:
                total += 0.11 * reward[i]
                false += 1
        total += sum(best.values())
        hit += sum(value > -1.0 for value in best.values())
    return total, hit, false


def main():
    nab, ours = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("judge", os.path.join(nab, "score.py"))
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    with open(os.path.join(nab, "labels", "combined_windows.json")) as f:
        windows = json.load(f)
    times = {name: column(os.path.join(nab, "data", name), "timestamp") for name in windows}
    draw = random.Random(1)
    detectors = {
        "Foreshift": {n: (t, [float(s) for s in column(os.path.join(ours, n), "anomaly_score")]) for n, t in times.items()},
        "random": {n: (t, [draw.random() for _ in t]) for n, t in times.items()},
    }
    rows = [(name, *points, "") for name, *points in PUBLISHED]
    for name, files in detectors.items():
        judged = [judge.score(files, windows, profile) for profile in judge.PROFILES.values()]
        _, hit, false = at_threshold(judge, files, windows, judged[0][1])
        count = sum(map(len, windows.values()))
        rows.append((name, *(points for points, _ in judged), f"{hit} of {count} windows, {false} false rows"))
    print("| detector | standard | reward low FP | reward low FN | |\n|---|---|---|---|---|")
    for name, *points, note in sorted(rows, key=lambda row: -row[1]):
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in points) + f" | {note} |")
    files, total = detectors["Foreshift"], 0.0
    print("\nstandard profile, threshold from the other categories:")
    for category in sorted({name.split("/")[0] for name in files}):
        inside = {n: v for n, v in files.items() if n.startswith(category + "/")}
        outside = {n: v for n, v in files.items() if n not in inside}
        _, threshold = judge.score(outside, windows, judge.PROFILES["standard"])
        value, hit, false = at_threshold(judge, inside, windows, threshold)
        total += value
        print(f"  {category}: {hit} of {sum(len(windows[n]) for n in inside)} windows, {false} false rows")
    count = sum(map(len, windows.values()))
    print(f"  together {100 * (total + count) / (2 * count):.1f}")


if __name__ == "__main__":
    main()
