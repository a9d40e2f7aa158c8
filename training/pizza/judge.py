#!/usr/bin/env python3
"""Judges trained runs anew on the splits drawn here: fits the temperature, writes figures.json and config.json again.

Usage: judge.py --data build/pizza RUN…

For runs made elsewhere, where another library may have drawn a picture a little differently. What figures.json says
of the run beside the splits (many.py) stays.
"""

import argparse
import json
from pathlib import Path

import torch

import export
import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("runs", type=Path, nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for run in args.runs:
        network = export.load(run)
        t, found = train.report(network, args.data)
        path = run / "figures.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        export.write(network, run, t)
        path.write_text(json.dumps(before | found, indent=1) + "\n")
        for name in ("val", "test", "shifted"):
            train.log_figures(lambda line, run=run: print(f"{run.name}: {line}", flush=True), name, found)


if __name__ == "__main__":
    main()
