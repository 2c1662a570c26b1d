"""Foreshift's models beside what a user would pick instead: the same extracted rows, one run.

    compare.py LAB BOOST [--data DIR] [--out DIR] [--image FILE.png] [--quick] [--kept]

LAB is the release build of foreshift-lab, BOOST that of the example `boost` of foreshift-boost. Rows are extracted from
simulated fleets that drift, and from the recorded outages of DIR where there are any; the batch models run on a public
set that a Python package ships, too. Online models run prequentially, with the true delay of labels (online.py); batch
models on the same folds (batch.py). Writes DIR/*.json, DIR/results.md and the picture. --quick takes some minutes
and proves nothing but that everything runs. --kept takes rows, batch models and what other online models said from an
earlier run into DIR, and runs our online models again.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import plot
import rows
import tables

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Recorded targets are drawn: all rows of all of them would take the slowest methods hours.
OUTAGE_TARGETS, OUTAGE_SEED = 90, 0
# The champion for outages has learned from what came before.
UNSEEN = "2025-01-01"
STARTED = time.monotonic()


@dataclass
class Online:
    """One prequential comparison."""

    title: str
    rows: Path
    horizon_s: int
    champion: str | None
    # Methods that are too slow to be run on every set.
    without: tuple[str, ...] = ()
    # Judged from here on: a share of the time, or a day.
    begin: str = "0.3"

    @property
    def name(self):
        return f"{self.rows.stem}-{self.horizon_s}s"


def say(text):
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f"[{minutes:2}:{seconds:02}] {text}", file=sys.stderr, flush=True)


def run(what, *command):
    say(f"{what} ...")
    subprocess.run([str(part) for part in command], check=True)
    say(f"{what}: done")


def champion(name):
    """The version of models/ that serves under this name; None where there is none."""
    registry = json.loads((ROOT / "models/registry.json").read_text(encoding="utf-8"))
    version = registry["champion"].get(name)
    return str(ROOT / "models" / version.replace("@", "/")) if version else None


def fleets(lab, folder, quick, kept):
    out = folder / "fleet.parquet"
    if kept and out.exists():
        return out
    spec = ["--fleet-seed", 900, "--drift", "--fleets", 1 if quick else 4, "--hours", 3 if quick else 12]
    run("rows of simulated fleets", lab, "extract", *spec, "--every", "60s" if quick else "20s", "-o", out)
    return out


def outages(lab, folder, data, quick, kept):
    whole, out = folder / "all-outages.parquet", folder / "outages.parquet"
    if kept and out.exists():
        return out
    spec = ["--config", ROOT / "docs/examples/outages.yaml", "--input", data / "signals.csv.gz"]
    run("rows of the recorded outages", lab, "extract", *spec, "-o", whole)
    rows.keep_targets(str(whole), str(out), 10 if quick else OUTAGE_TARGETS, OUTAGE_SEED)
    whole.unlink()
    return out


def online(lab, folder, one, kept):
    out = folder / one.name
    options = ["--from", one.begin, *(["--kept"] if kept else [])]
    options += [part for name in one.without for part in ("--without", name)]
    options += ["--model", one.champion] if one.champion else []
    command = [sys.executable, HERE / "online.py", lab, one.rows, one.horizon_s, out, *options]
    run(f"online models, {one.title}", *command)
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    return {"title": one.title, "row_us": figures["row_us"], **figures["horizons"][0]}


def batch(lab, boost, folder, kept, name, *sets):
    out = folder / f"batch-{name}.json"
    if not (kept and out.exists()):
        command = [sys.executable, HERE / "batch.py", boost, "--lab", lab, *sets, "--out", out]
        run(f"batch models, {name}", *command)
    return json.loads(out.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", type=Path)
    parser.add_argument("boost", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "target/compare")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kept", action="store_true")
    args = parser.parse_args()
    lab, boost, folder = args.lab.resolve(), args.boost.resolve(), args.out
    folder.mkdir(parents=True, exist_ok=True)

    fleet = fleets(lab, folder, args.quick, args.kept)
    live, slow = champion("live"), ("river-adaptive-forest", "river-hoeffding-tree")
    sets = [
        Online("drifting fleet, 2 min ahead", fleet, 120, live),
        Online("drifting fleet, 10 min ahead", fleet, 600, live, slow),
    ]
    trained = [("fleet", ["--rows", f"{fleet}:120"]), ("fleet-10min", ["--rows", f"{fleet}:600"])]
    if args.data and (args.data / "signals.csv.gz").exists():
        recorded, probe = outages(lab, folder, args.data, args.quick, args.kept), champion("probe")
        sets.append(Online("recorded outages, 1 h ahead", recorded, 3600, probe, begin=UNSEEN))
        sets.append(Online("recorded outages, 6 h ahead", recorded, 21600, probe, slow, UNSEEN))
        trained.append(("outages", ["--rows", f"{recorded}:3600", "--rows", f"{recorded}:21600"]))
    else:
        say(f"no recorded outages at {args.data}: skipped (name their folder by DATA=...)")
    trained.append(("packages", ["--sets", "shuttle"] if args.quick else ["--sets", "flights", "shuttle"]))

    # Two at a time; the longest first.
    with ThreadPoolExecutor(2) as pool:
        batches = [pool.submit(batch, lab, boost, folder, args.kept, name, *of) for name, of in trained]
        onlines = [pool.submit(online, lab, folder, one, args.kept) for one in sets]
        trained = [result for done in batches for result in done.result()]
        streamed = [done.result() for done in onlines]
    with open(folder / "compare.json", "w", encoding="utf-8") as file:
        json.dump({"online": streamed, "batch": trained}, file, indent=1)
    (folder / "results.md").write_text(tables.markdown(streamed, trained), encoding="utf-8")
    image = args.image or folder / "compare-models.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    plot.draw(streamed, trained, image)
    print((folder / "results.md").read_text(encoding="utf-8"))
    say(f"tables in {folder / 'results.md'}, picture in {image}")


if __name__ == "__main__":
    main()
