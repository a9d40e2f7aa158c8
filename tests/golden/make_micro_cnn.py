"""Makes tests/data/golden/micro-cnn: what PyTorch computes for micro CNNs with seeded random weights.

Usage: python3 tests/golden/make_micro_cnn.py tests/data/golden/micro-cnn

    inputs.safetensors          pixels uint8 [6, 48, 48, 3], the bytes behind preprocessing
    VARIANT/                    config.json, preprocessor_config.json, model.safetensors (float32, batch norms far from the identity)
    VARIANT/golden.safetensors  logits float32 [6, 6]; block1, block2, … float32 [1, C, H, W]: what each block gives for the first picture
    preprocess/CASE.png         sources of odd sizes (rgb565: the widened picture)
    preprocess/golden.safetensors  CASE uint8 [48, 48, 3]; rgb565.words uint8 [h, w, 2], little-endian words of rgb565.png
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training" / "pizza"))
import preprocess  # noqa: E402
import safetensors_io  # noqa: E402
from model import VARIANTS, MicroPizzaNet, Shape, check  # noqa: E402

# The five of the family, and channel counts that fill no vector register, as pruning leaves them.
SHAPES = VARIANTS | {
    "v1-odd": Shape(stem=5, blocks=(11,)),
    "v2-odd": Shape(block="inverted_residual", stem=3, blocks=(7, 10), hidden=(13, 22), squeeze=(1, 2, 3), activation="relu6"),
}
SIZES = {  # width, height
    "1x1": (1, 1),
    "3x2": (3, 2),
    "31x20": (31, 20),
    "47x53": (47, 53),
    "48x48": (48, 48),
    "49x96": (49, 96),
    "97x200": (97, 200),
    "200x97": (200, 97),
    "640x480": (640, 480),
}


def random_network(name: str, shape: Shape) -> MicroPizzaNet:
    """Weights and running statistics that leave activations of a usual size, some of them above ReLU6's bound."""
    torch.manual_seed(sum(name.encode()))
    network = MicroPizzaNet(shape).eval()
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            inputs = module.weight[0].numel()
            torch.nn.init.normal_(module.weight, std=1.6 / inputs**0.5)
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.5)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.4, 2.5)
            with torch.no_grad():
                module.weight[::5] *= -1
            torch.nn.init.normal_(module.bias, std=0.7)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.05, 1.5)
    return network


def inputs() -> np.ndarray:
    random = np.random.default_rng(48)
    y, x = np.mgrid[0:48, 0:48]
    ramp = np.stack([x * 5, y * 5, (x + y) * 2], 2)
    disc = np.where(((x - 23) ** 2 + (y - 25) ** 2 < 400)[:, :, None], [200, 160, 90], [40, 50, 70])
    spots = np.clip(disc + random.normal(0, 25, (48, 48, 3)), 0, 255)
    noise = random.integers(0, 256, (48, 48, 3))
    return np.stack([spots, ramp, noise, disc, np.zeros((48, 48, 3)), np.full((48, 48, 3), 255)]).astype(np.uint8)


def source(width: int, height: int) -> np.ndarray:
    """Edges, a ramp and a little noise; small as a PNG."""
    random = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 // max(width, 2), y * 255 // max(height, 2), ((x // 7 + y // 5) % 2) * 200], 2)
    for _ in range(6):
        cx, cy = random.integers(0, width), random.integers(0, height)
        r = random.integers(1, max(2, min(width, height) // 3))
        base[(x - cx) ** 2 + (y - cy) ** 2 <= r * r] = random.integers(0, 256, 3)
    if width * height < 20_000:
        base = base + random.integers(-20, 21, base.shape)
    return np.clip(base, 0, 255).astype(np.uint8)


def main() -> None:
    check()
    preprocess.check()
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    (out / "preprocess").mkdir(parents=True, exist_ok=True)
    pixels = torch.from_numpy(inputs())
    safetensors_io.save({"pixels": pixels}, out / "inputs.safetensors")
    for name, shape in SHAPES.items():
        folder = out / name
        folder.mkdir(exist_ok=True)
        network = random_network(name, shape)
        with torch.no_grad():
            given = network.features(preprocess.to_float(pixels))
            golden = {f"block{1 + i}": block[:1] for i, block in enumerate(given)}
            golden["logits"] = network.classifier(given[-1])
        print(name, golden["logits"].abs().mean().item(), [round(float((b > 5.99).float().mean()), 3) for b in given])
        (folder / "config.json").write_text(json.dumps(shape.config(), indent=2) + "\n")
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocess.CONFIG, indent=2) + "\n")
        safetensors_io.save(network.stored(), folder / "model.safetensors")
        safetensors_io.save(golden, folder / "golden.safetensors")
    expected = {}
    for name, (width, height) in SIZES.items():
        picture = source(width, height)
        Image.fromarray(picture).save(out / "preprocess" / f"{name}.png", optimize=True)
        expected[name] = torch.from_numpy(preprocess.shrink(picture))
    words = np.random.default_rng(565).integers(0, 65536, (61, 50)).astype(np.uint16)
    Image.fromarray(preprocess.widen565(words)).save(out / "preprocess" / "rgb565.png", optimize=True)
    expected["rgb565"] = torch.from_numpy(preprocess.shrink(preprocess.widen565(words)))
    expected["rgb565.words"] = torch.from_numpy(np.stack([words & 255, words >> 8], 2).astype(np.uint8))
    safetensors_io.save(expected, out / "preprocess" / "golden.safetensors")


if __name__ == "__main__":
    main()
