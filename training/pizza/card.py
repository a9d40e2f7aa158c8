#!/usr/bin/env python3
"""Puts a trained run into models/: weights, configs, and a model card written from the run's figures.

Usage: card.py --run build/pizza-runs/v1 --out models/pizza-micro-v1
"""

import argparse
import json
import shutil
from pathlib import Path

import export
from model import LABELS, MicroPizzaNet, cost, parameters
from other import HELD_OUT

WHAT = {
    "pizza-micro-v1": "MicroPizzaNet V1: a stem and one depthwise separable block",
    "pizza-micro-v2": "MicroPizzaNet V2: a stem and one inverted residual with ReLU6",
    "pizza-micro-se4": "MicroPizzaNet V1 with squeeze-and-excite, reduction 4",
    "pizza-micro-se8": "MicroPizzaNet V1 with squeeze-and-excite, reduction 8",
    "pizza-micro-3block": "MicroPizzaNet V1 with a third block",
    "pizza-micro-wide": "MicroPizzaNet with three times the channels and a third block",
}


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def shared(entry: dict) -> str:
    low, high = entry["interval95"]
    return f"{percent(entry['share'])} % ({percent(low)} to {percent(high)})"


def layers(network: MicroPizzaNet) -> list[str]:
    shape = network.shape
    squeeze = f", squeeze-and-excite {list(shape.squeeze)}" if shape.squeeze else ""
    wide = f", hidden {list(shape.hidden)}" if shape.hidden else ""
    price = cost(shape)
    return [
        f"| network | {shape.block} blocks, stem {shape.stem}, blocks {list(shape.blocks)}{wide}{squeeze}, {shape.activation} |",
        f"| parameters | {parameters(shape):,} (float32), {price.macs:,} multiply-adds a picture |",
        f"| on a device | int8 by the layout's arithmetic: {price.flash:,} bytes of weights and requantisation, {price.arena:,} bytes for the largest layer's input and output |",
    ]


def card(name: str, network: MicroPizzaNet, found: dict) -> str:
    test, shifted = found["test"], found["shifted"]
    what = WHAT[name]
    rows = [
        "---", "license: apache-2.0", "pipeline_tag: image-classification", "---", f"# {name}", "",
        f"{what}. Says in which state a pizza is, seen from above. Trained from scratch on **synthetic** pictures, drawn from a seed; it has",
        "never seen a photograph.", "", "| | |", "|---|---|",
        f"| answer | one of {', '.join(f'`{label}`' for label in LABELS)} (`training/pizza/README.md` says what each is) |",
        "| picture | the centred square, averaged down to 48 x 48 RGB bytes, (byte - 128) / 128 |",
        *layers(network),
        f"| confidence | softmax of the logits divided by {found['temperature']:.3f} (`temperature` in config.json), fitted on the calibration split |",
        "", "## Accuracy",
        "Scenes that training never saw; float32 in PyTorch; 95 % Wilson intervals. Every class has as many pictures, so always naming one",
        f"class is right in {percent(test['majority_baseline'])} %. *Shifted*: grounds, sauces and toppings that no training scene has, and rougher light and cameras.",
        "", "| | test | shifted |", "|---|---|---|",
        f"| pizzas | {test['accuracy']['n']:,} | {shifted['accuracy']['n']:,} |",
        f"| accuracy | {shared(test['accuracy'])} | {shared(shifted['accuracy'])} |",
        f"| expected calibration error, 15 bins | {percent(test['ece'])} % (before the temperature {percent(test['ece_before_temperature'])} %) | {percent(shifted['ece'])} % |",
        f"| answered at the threshold {found['accept']} | {shared(test['accepted'])} | {shared(shifted['accepted'])} |",
        f"| right of those | {shared(test['accuracy_of_accepted'])} | {shared(shifted['accuracy_of_accepted'])} |",
        f"| no pizza, refused at the threshold | {shared(test['not_a_pizza_refused'])}, n {test['not_a_pizza_refused']['n']} | {shared(shifted['not_a_pizza_refused'])}, n {shifted['not_a_pizza_refused']['n']} |",
        "", "| class (test) | recall | precision | taken for: " + " | ".join(LABELS) + " |", "|---|---|---|" + "---|" * len(LABELS),
    ]
    for i, label in enumerate(LABELS):
        entry = test["by_class"][label]
        rows.append(f"| {label} | {shared(entry['recall'])} | {shared(entry['precision'])} | " + " | ".join(str(v) for v in test["confusion"][i]) + " |")
    kinds = sorted(test["refused_by_kind"].items(), key=lambda item: item[1]["share"])
    rows += [
        "", "Refused of what is no pizza (test), kinds that training never showed in italics: "
        + ", ".join(f"{f'*{k}*' if k in HELD_OUT else k} {e['share'] * e['n']:.0f} of {e['n']}" for k, e in kinds) + ".",
        "", "## Limits",
        "- Synthetic: how it does on photographs of real pizzas is not known. The states' borders are those of the renderer, with gaps between.",
        "- It looks at the centred square at 48 x 48 pixels. A pizza that fills less than a third of it, or leaves it, was never shown.",
        "- There is no class for what is no pizza; refusing is left to the threshold and misses what the table says.",
        "- White balance and exposure vary in training within about a tenth; under light further off, `mixed` and `combined` are confused.",
        "", "How it was made, run by run: `training/pizza/README.md` and `LOG.md`. Licence: Apache-2.0.",
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    network, found = export.load(args.run), json.loads((args.run / "figures.json").read_text())
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        shutil.copy(args.run / name, args.out / name)
    (args.out / "README.md").write_text(card(args.out.name, network, found))


if __name__ == "__main__":
    main()
