#!/usr/bin/env python3
"""Runs notebooks as Jupyter would in their own folder: run.py BIN NOTEBOOK... [--in-place].

BIN is the folder of the built programs. Fails when a cell fails, takes too long, or its output holds a path of this
machine. With --in-place the notebooks are written again with their new outputs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import matplotlib.font_manager  # noqa: F401 (its cache is made now, and not said of in an output)
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# Longer than any cell takes on a loaded machine.
CELL_TIMEOUT_S = 600


def run(path):
    notebook = nbformat.read(path, as_version=4)
    kernel = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3", resources=kernel)
    with tempfile.TemporaryDirectory() as sockets:
        manager = client.create_kernel_manager()
        manager.transport, manager.ip = "ipc", f"{sockets}/kernel"  # no ports that others on the machine could use
        client.execute()
    for cell in notebook.cells:
        cell.metadata = {}  # when it ran is of no interest
    notebook.metadata.language_info = {"name": "python"}
    text = nbformat.writes(notebook)
    for place in [str(path.parent.parent), str(Path.home()), sys.prefix]:
        if place in text:
            raise SystemExit(f"{path.name}: its output holds the path {place}")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--in-place", action="store_true")
    args = parser.parse_args()
    os.environ["PATH"] = f"{args.bin.resolve()}{os.pathsep}{os.environ['PATH']}"
    for path in args.notebooks:
        print(path.name, flush=True)
        try:
            text = run(path.resolve())
        except CellExecutionError as error:
            raise SystemExit(f"{path.name}: {error}") from None
        if args.in_place:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
