#!/usr/bin/env python3
"""Our log parser and Drain3 on the 16 loghub systems, in one run: grouping, templates, speed.

usage: bench.py LOGHUB [--lab FILE] [--lines N] [--keep DIR] [--memory N]

LOGHUB is the directory of the data, with its score.py (see docs/results.md for where it comes from). Both parsers read raw content
with one configuration for all systems: Drain3 its default one. GA, FGA, PA and FTA are score.py's. Speed is measured on each
system's lines repeated to N (a million), each number with other digits: lines a second of processor time of one core, so that other
work on the machine does not count; ours includes reading the file.
Prints a Markdown table.
"""

import argparse
import importlib.util
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SEED = 7
DRAIN_SECONDS = 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loghub", type=pathlib.Path)
    parser.add_argument("--lab", default=str(HERE.parents[1] / "target/release/foreshift-lab"), help="the release build of foreshift-lab")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--keep", help="keep the parsed files in this directory")
    parser.add_argument("--memory", type=int, default=100_000_000, help="lines of the check of memory; 0 for none")
    return parser.parse_args()


def scorer(loghub):
    spec = importlib.util.spec_from_file_location("score", loghub / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*command):
    # One core, so that no parser gains by threads.
    return subprocess.run(["taskset", "-c", "0", *map(str, command)], check=True, capture_output=True, text=True).stdout


def parse(lab, source, target):
    """Parses with ours; gives lines a second of processor time."""
    said = run(lab, "parse", "--input", source, "--output", target)
    return float(re.search(r"\((\d+) a second", said).group(1))


def vary(line, chance):
    """The line with other digits, of the same number, in each number."""
    digits = lambda found: "".join(chance.choice("123456789" if at == 0 else "0123456789") for at in range(len(found.group())))
    return re.sub(r"\d+", digits, line)


def repeat(source, target, count):
    chance = random.Random(SEED)
    lines = source.read_text(encoding="utf-8").split("\n")[:-1]
    with open(target, "w", encoding="utf-8", newline="\n") as file:
        for number in range(count):
            file.write(vary(lines[number % len(lines)], chance) + "\n")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main():
    given = arguments()
    drain = subprocess.run([HERE / "setup.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    score = scorer(given.loghub)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(given.keep or scratch)
        contents, ours, theirs = work / "contents", work / "foreshift", work / "drain3"
        for directory in (contents, ours, theirs):
            directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, given.loghub / "score.py", "-", "--contents", contents], check=True)
        print("| system | GA | FGA | PA | FTA | lines/s | Drain3 GA | FGA | PA | FTA | lines/s |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        rows = []
        for system in score.SYSTEMS:
            progress(f"{system}: parsing")
            log = contents / f"{system}.log"
            parse(given.lab, log, ours / f"{system}.csv")
            run(drain, HERE / "drain.py", "parse", log, theirs / f"{system}.csv")
            progress(f"{system}: {given.lines} lines")
            many = pathlib.Path(scratch) / "many.log"
            repeat(log, many, given.lines)
            fast = parse(given.lab, many, many.with_suffix(".csv"))
            slow = float(run(drain, HERE / "drain.py", "speed", many, DRAIN_SECONDS))
            rows.append([*score.score(system, ours / f"{system}.csv"), fast, *score.score(system, theirs / f"{system}.csv"), slow])
            progress("")
            print(row(system, rows[-1]), flush=True)
        mean = [sum(column) / len(rows) for column in zip(*rows)]
        print(row("mean", mean))
    print(f"\nslowest: {min(row[4] for row in rows):,.0f} lines/s, Drain3 {min(row[9] for row in rows):,.0f}")
    if given.memory:
        print("\n" + run(given.lab, "parse-memory", "--lines", given.memory), end="")


def row(name, values):
    shown = [f"{value:,.0f}" if at % 5 == 4 else f"{value:.4f}" for at, value in enumerate(values)]
    return "| " + " | ".join([name, *shown]) + " |"


if __name__ == "__main__":
    main()
