"""Reads and writes a micro CNN as a folder in Hugging Face layout."""

import json
from pathlib import Path

import preprocess
import safetensors_io
from model import MicroPizzaNet, Shape


def write(network: MicroPizzaNet, folder: Path, temperature: float) -> None:
    """config.json (with the temperature that logits are divided by), preprocessor_config.json and model.safetensors in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    config = network.shape.config() | {"temperature": round(temperature, 6)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocess.CONFIG, indent=2) + "\n")
    safetensors_io.save(network.stored(), folder / "model.safetensors")


def load(folder: Path) -> MicroPizzaNet:
    """A network as it was written, with whatever channel counts its config has."""
    config = json.loads((folder / "config.json").read_text())
    network = MicroPizzaNet(Shape.from_config(config))
    for module in network.modules():
        if hasattr(module, "running_var"):
            module.eps = config["norm_eps"]
    network.restore(safetensors_io.load(folder / "model.safetensors"))
    return network.eval()
