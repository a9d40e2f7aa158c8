"""The checks of tests.sh that need more than one module."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import dataset
import export
import figures
import many
import render
import scene
import train
from model import LABELS, VARIANTS, MicroPizzaNet, Shape
from preprocess import to_float
from safetensors_io import load

ROOT = Path(__file__).resolve().parents[2]


def a_picture_depends_on_its_scene_and_state_alone() -> None:
    for state in (*LABELS, render.NOT_A_PIZZA):
        first = render.pixels(7, state)
        render.pixels(8, state)
        assert np.array_equal(first, render.pixels(7, state)), state


def splits_share_no_scene() -> None:
    seen: dict[str, int] = {}
    for split in scene.SPLITS:
        assert dataset.SCENES[split] <= scene.SPAN
        for number in range(scene.first_of(split), scene.first_of(split) + 100):
            drawn = scene.draw(number)
            assert drawn.split == split
            assert seen.setdefault(json.dumps(drawn.identity(), sort_keys=True), number) == number


def reference_outputs_are_what_the_models_give() -> None:
    golden = ROOT / "tests/data/golden/micro-cnn"
    pixels = load(golden / "inputs.safetensors")["pixels"]
    folders = [path.parent for path in sorted(golden.glob("*/config.json"))]
    assert len(folders) >= 5
    for folder in folders:
        with torch.no_grad():
            found = export.load(folder)(to_float(pixels))
        expected = load(folder / "golden.safetensors")["logits"]
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4), folder.name


def an_exported_model_reads_back() -> None:
    shape = Shape("inverted_residual", 3, (7, 10), (13, 22), (1, 2, 3), "relu6")
    network = MicroPizzaNet(shape).eval()
    with tempfile.TemporaryDirectory() as folder:
        export.write(network, Path(folder), 1.25)
        again = export.load(Path(folder))
        assert json.loads((Path(folder) / "config.json").read_text())["temperature"] == 1.25
    x = torch.rand(2, 3, 48, 48)
    assert again.shape == shape and torch.equal(network(x), again(x))


def a_pruned_model_is_trained_on() -> None:
    torch.manual_seed(3)
    network = MicroPizzaNet(Shape(stem=5, blocks=(11,)))
    data = train.Split.__new__(train.Split)
    data.labels = torch.arange(96) % 7 - 1
    data.pixels = torch.full((96, 48, 48, 3), 128, dtype=torch.uint8)
    data.pixels += (data.labels * 12).to(torch.uint8)[:, None, None, None]
    args = train.arguments().parse_args("--out x --epochs 6 --batch 32 --rate 0.02".split())
    before = network.block1[0].weight.detach().clone()
    network = train.fit(network, data, data, args, lambda line: None)
    assert not torch.equal(before, network.block1[0].weight)
    assert network.block1[0].weight.shape == (5, 3, 3, 3)


def many_networks_at_once_are_each_one_network() -> None:
    shapes = [VARIANTS["v2"], VARIANTS["se4"], Shape(stem=5, blocks=(11, 6)), Shape("inverted_residual", 3, (7, 10), (13, 22), (1, 2, 3), "relu6")]
    labels = torch.arange(14) % 7 - 1
    weights, shares = torch.tensor([0.0, 0.03, 0.1]), torch.tensor([0.0, 0.5, 1.0])
    for shape in shapes:
        networks = []
        for seed in range(3):
            torch.manual_seed(seed)
            networks.append(MicroPizzaNet(shape).train())
        together = many.Many(networks, torch.device("cpu"))
        x, soft = torch.rand(14, 3, 48, 48) * 2 - 1, torch.randn(14, 6)
        found = together(x, True)
        loss = many.loss_of(found, labels, weights, shares, soft)
        (slopes,) = torch.autograd.grad(loss, together.values)
        expected = 0.0
        for i, network in enumerate(networks):
            logits = network(x)
            assert torch.allclose(logits, found[:, i], rtol=1e-4, atol=1e-5)
            pizza = labels >= 0
            hard = train.loss_of(logits, labels, 0.0, 0.0)
            softly = -(train.SOFTNESS**2) * (F.softmax(soft[pizza] / train.SOFTNESS, 1) * F.log_softmax(logits[pizza] / train.SOFTNESS, 1)).sum(1).mean()
            one = (1 - shares[i]) * hard + shares[i] * softly + (train.loss_of(logits, labels, 0.0, float(weights[i])) - hard)
            one.backward()
            expected += float(one)
            slope = torch.cat([p.grad.flatten() for p in network.parameters()])
            assert torch.allclose(slope, slopes[i], rtol=1e-3, atol=1e-5), (slope - slopes[i]).abs().max()
            again = together.network(i)
            network.eval()
            assert torch.allclose(network(x), again(x), rtol=1e-4, atol=1e-5)
            assert torch.allclose(together(x, False)[:, i], again(x), rtol=1e-4, atol=1e-5)
        assert abs(expected - float(loss)) < 1e-3


def many_networks_learn() -> None:
    data = many.Pictures.__new__(many.Pictures)
    labels = torch.arange(140) % 7 - 1
    data.labels = data.judged = labels
    data.pixels = (torch.full((140, 3, 48, 48), 100) + labels[:, None, None, None] * 20).to(torch.uint8)
    data.judging = data.pixels
    job = many.JOB | {"variant": "v1", "nets": 3, "steps": 50, "batch": 70, "rates": [0.0, 0.02], "outliers": [0.1]}
    found = many.Many(many.nets_of(job), torch.device("cpu"))
    before = found.values.detach().clone()
    steps, settings = many.fit(found, job, data, lambda line: None)
    assert steps == 50 and [round(v, 4) for v in settings[:, 0].tolist()] == [0.0, 0.02, 0.0]
    assert torch.equal(before[0], found.values[0]) and not torch.equal(before[1], found.values[1])
    reached = many.accuracies(found, data.judging, labels)
    assert reached[1] > 0.8 > reached[0], reached


def intervals_and_calibration_are_right() -> None:
    low, high = figures.wilson(90, 100)  # Wilson's formula by hand
    assert abs(low - 0.8256) < 1e-3 and abs(high - 0.9448) < 1e-3
    assert abs(figures.calibration_error(np.full(10, 0.8), np.arange(10) < 8)) < 1e-9
    assert abs(figures.calibration_error(np.full(10, 0.9), np.arange(10) < 5) - 0.4) < 1e-9
    torch.manual_seed(0)
    logits = torch.randn(4000, 6)
    labels = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
    assert abs(figures.temperature(logits * 2, labels) - 2) < 0.15


def shipped_models_have_their_shapes() -> None:
    for folder in sorted((ROOT / "models").glob("pizza-micro-*")):
        network = export.load(folder)
        assert json.loads((folder / "config.json").read_text())["temperature"] > 0
        with torch.no_grad():
            assert network(torch.zeros(1, 3, 48, 48)).shape == (1, len(LABELS))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, check in list(globals().items()):
        if callable(check) and getattr(check, "__module__", "") == "__main__" and "_" in name:
            check()
            print(name.replace("_", " "))
