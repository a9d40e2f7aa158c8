"""Averages two exported models, weight by weight.

usage: average.py --before models/card-reader-m --after WORK/run/m/model --share 0.5 --out OUT
A run on harder cards forgets some of what the run before it knew. As it started from those weights, the
line between the two holds models that keep both (Wortsman et al., Robust fine-tuning of zero-shot models,
2022). --share is the newer weights' part; choose it on cards that no figure is made from.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch

import safetensors_io
from export import HEAD_FILE


def average(before: Path, after: Path, share: float, out: Path) -> None:
    """Writes `after` with its weights moved towards those of `before`; both have the same shapes."""
    shutil.copytree(after, out)
    for name in ("model.safetensors", HEAD_FILE):
        old, new = safetensors_io.load(before / name), safetensors_io.load(after / name)
        if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
            raise ValueError(f"{before / name} and {after / name} differ in their tensors' names or shapes: averages need one architecture")
        mixed = {key: ((1 - share) * old[key] + share * new[key]).to(torch.bfloat16) for key in new}
        safetensors_io.save(mixed, out / name)
    training = json.loads((after / "training.json").read_text())
    (out / "training.json").write_text(json.dumps(training | {"averaged_with_the_start": 1 - share}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the weights that the run started from")
    parser.add_argument("--after", type=Path, required=True, help="the weights that it ended with")
    parser.add_argument("--share", type=float, default=0.5, help="0 gives the weights before, 1 those after")
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    args = parser.parse_args()
    average(args.before, args.after, args.share, args.out)


if __name__ == "__main__":
    main()
