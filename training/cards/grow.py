"""Makes a new model's starting weights from a trained one, keeping what it computes.

usage: grow.py --model FROM --out TO --patch 24 --edge 1080 --neurons 544 --data FOLDER
       grow.py --model FROM --out TO --double

--patch resamples the patch embedding for a larger tile with the same grid of patches.
--neurons keeps the feed-forward neurons of the vision layers that matter most on the
pictures of --data, and folds the mean of the others into the bias. --double gives every
channel twice (card-reader-s -> card-reader-m): each copy reads half of the two copies
before it, plus noise that cancels while they are equal and lets training part them.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import evaluate
import export
import safetensors_io
from augment import pillow_weights
from model import MEDIUM, CardReader, CharacterHead, Config
from rows import CLASS_COUNT

State = dict[str, Tensor]
VISION = "model.vision_model.encoder.layers."
PATCH = "model.vision_model.embeddings.patch_embedding.weight"


def resampled(state: State, c: Config, patch: int, edge: int) -> tuple[State, Config]:
    """The same function on a tile of larger patches: weights that read the reduced patch."""
    reduce = torch.from_numpy(pillow_weights(patch, c.patch_size)).float()
    new = torch.einsum("ocij,ia,jb->ocab", state[PATCH], reduce, reduce)
    shapes = replace(c, patch_size=patch, image_size=patch * c.grid, longest_edge=edge)
    return state | {PATCH: new}, shapes


@torch.no_grad()
def neuron_statistics(state: State, c: Config, folder: Path, count: int) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of every feed-forward neuron of each vision layer over some pictures."""
    reader = CardReader(c)
    reader.load_state_dict(state)
    pixels, _ = evaluate.load_data(folder, c)
    seen: list[list[Tensor]] = [[] for _ in range(c.vision_layers)]
    layers = reader.model.vision_model.encoder["layers"]
    for index, layer in enumerate(layers):
        layer.mlp.fc2.register_forward_hook(lambda _, given, __, i=index: seen[i].append(given[0].flatten(0, 1)))
    for picture in pixels[:count]:
        x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        reader.model.vision_model(x)
    return [(torch.cat(part).mean(0), torch.cat(part).var(0)) for part in seen]


def pruned(state: State, c: Config, neurons: int, folder: Path, count: int = 64) -> tuple[State, Config]:
    """Keeps the neurons whose output varies most; the rest become their mean."""
    state = dict(state)
    for index, (mean, variance) in enumerate(neuron_statistics(state, c, folder, count)):
        base = f"{VISION}{index}.mlp."
        out = state[base + "fc2.weight"]
        weight = variance * out.square().sum(0)
        kept = weight.argsort(descending=True)[:neurons].sort().values
        gone = torch.ones(len(weight), dtype=torch.bool)
        gone[kept] = False
        print(f"layer {index}: {weight[gone].sum() / weight.sum():.4f} of the output's variance goes")
        state[base + "fc2.bias"] = state[base + "fc2.bias"] + out[:, gone] @ mean[gone]
        state[base + "fc2.weight"] = out[:, kept]
        for name in ("fc1.weight", "fc1.bias"):
            state[base + name] = state[base + name][kept]
    return state, replace(c, vision_intermediate=neurons)


def _noise(shape: tuple[int, ...], size: float, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * size


def _reading(weight: Tensor, outputs: int, part: float, generator: torch.Generator) -> Tensor:
    """Columns doubled: `[r, c]` -> `[outputs * r, 2 c]`; every copy of a row gives what the row gave."""
    size = part * weight.std().item() / 2
    copies = []
    for _ in range(outputs):
        noise = _noise(tuple(weight.shape), size, generator)
        copies.append(torch.cat([weight / 2 + noise, weight / 2 - noise], 1))
    return torch.cat(copies)


def _doubled_heads(weight: Tensor, heads: int) -> Tensor:
    """Rows `[2 * heads * d, c]` of two copies, one after the other, to heads of twice the width."""
    two, d = weight.view(2, heads, -1, weight.shape[1]), weight.shape[0] // (2 * heads)
    return two.transpose(0, 1).reshape(2 * heads * d, -1)


def _vision_layer(state: State, base: str, c: Config, neurons: int, part: float, generator: torch.Generator) -> State:
    """A vision layer twice as wide: as many heads, each twice as wide, and new neurons beside the old."""
    new: State = {}
    for name in ("q_proj", "k_proj", "v_proj"):
        scale = 2**-0.25 if name != "v_proj" else 1.0  # twice the terms over sqrt(2) more width
        weight, bias = state[f"{base}self_attn.{name}.weight"], state[f"{base}self_attn.{name}.bias"]
        both = _doubled_heads(_reading(weight, 2, part, generator), c.vision_heads)
        new[f"{base}self_attn.{name}.weight"] = both * scale
        new[f"{base}self_attn.{name}.bias"] = _doubled_heads(bias.repeat(2)[:, None], c.vision_heads)[:, 0] * scale
    out = state[f"{base}self_attn.out_proj.weight"]
    wide = _reading(out, 2, part, generator)
    columns = _doubled_heads(torch.arange(wide.shape[1])[:, None], c.vision_heads)[:, 0]
    new[f"{base}self_attn.out_proj.weight"] = wide[:, columns]
    new[f"{base}self_attn.out_proj.bias"] = state[f"{base}self_attn.out_proj.bias"].repeat(2)
    for name in ("layer_norm1", "layer_norm2"):
        for kind in ("weight", "bias"):
            new[f"{base}{name}.{kind}"] = state[f"{base}{name}.{kind}"].repeat(2)
    first, second = state[f"{base}mlp.fc1.weight"], state[f"{base}mlp.fc2.weight"]
    more = neurons - len(first)
    fresh = _noise((more, 2 * first.shape[1]), (2 * first.shape[1]) ** -0.5, generator)
    new[f"{base}mlp.fc1.weight"] = torch.cat([_reading(first, 1, part, generator), fresh])
    new[f"{base}mlp.fc1.bias"] = torch.cat([state[f"{base}mlp.fc1.bias"], torch.zeros(more)])
    new[f"{base}mlp.fc2.weight"] = torch.cat([second.repeat(2, 1), torch.zeros(2 * len(second), more)], 1)
    new[f"{base}mlp.fc2.bias"] = state[f"{base}mlp.fc2.bias"].repeat(2)
    return new


def _text_layer(state: State, base: str, neurons: int, part: float, generator: torch.Generator) -> State:
    """A text layer twice as wide, with twice the heads."""
    new: State = {}
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        new[f"{base}self_attn.{name}.weight"] = _reading(state[f"{base}self_attn.{name}.weight"], 2, part, generator)
    for name in ("input_layernorm", "post_attention_layernorm"):
        new[f"{base}{name}.weight"] = state[f"{base}{name}.weight"].repeat(2)
    down = state[f"{base}mlp.down_proj.weight"]
    more = neurons - down.shape[1]
    width = 2 * len(down)
    for name in ("gate_proj", "up_proj"):
        old = _reading(state[f"{base}mlp.{name}.weight"], 1, part, generator)
        new[f"{base}mlp.{name}.weight"] = torch.cat([old, _noise((more, width), width**-0.5, generator)])
    new[f"{base}mlp.down_proj.weight"] = torch.cat([down.repeat(2, 1), torch.zeros(width, more)], 1)
    return new


def doubled(state: State, c: Config, part: float = 0.5, seed: int = 1) -> tuple[State, Config]:
    """card-reader-m that computes what this card-reader-s does; `part` is the noise beside the weights."""
    generator = torch.Generator().manual_seed(seed)
    shapes = replace(MEDIUM, image_size=c.image_size, patch_size=c.patch_size, longest_edge=c.longest_edge)
    new: State = {}
    for name in ("model.vision_model.post_layernorm.weight", "model.vision_model.post_layernorm.bias"):
        new[name] = state[name].repeat(2)
    new["model.text_model.norm.weight"] = state["model.text_model.norm.weight"].repeat(2)
    embeddings = PATCH.removesuffix("patch_embedding.weight")
    for name in ("patch_embedding.weight", "patch_embedding.bias"):
        old = state[embeddings + name]
        new[embeddings + name] = old.repeat(2, *[1] * (old.ndim - 1))
    position = state[embeddings + "position_embedding.weight"]
    new[embeddings + "position_embedding.weight"] = position.repeat(1, 2)
    for index in range(c.vision_layers):
        new |= _vision_layer(state, f"{VISION}{index}.", c, shapes.vision_intermediate, part, generator)
    for index in range(c.layers):
        new |= _text_layer(state, f"model.text_model.layers.{index}.", shapes.intermediate, part, generator)
    name = "model.connector.modality_projection.proj.weight"
    squares = state[name].view(c.hidden, c.scale_factor**2, c.vision_hidden)
    size = part * squares.std().item() / 2
    rows = []
    for _ in range(2):
        noise = _noise(tuple(squares.shape), size, generator)
        rows.append(torch.cat([squares / 2 + noise, squares / 2 - noise], 2).flatten(1))
    new[name] = torch.cat(rows)
    # The tied head would give each logit twice over: the table stays, the norm before the head halves.
    new["model.text_model.embed_tokens.weight"] = state["model.text_model.embed_tokens.weight"].repeat(1, 2)
    new["model.text_model.norm.weight"] = new["model.text_model.norm.weight"] / 2
    return new, shapes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patch", type=int)
    parser.add_argument("--edge", type=int)
    parser.add_argument("--neurons", type=int)
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    state, c = safetensors_io.load(args.model / "model.safetensors"), Config.of_folder(args.model)
    if args.neurons:
        state, c = pruned(state, c, args.neurons, args.data)
    if args.patch:
        state, c = resampled(state, c, args.patch, args.edge)
    if args.double:
        state, c = doubled(state, c)
    kept, head = args.model / export.HEAD_FILE, None
    if kept.exists():
        head = CharacterHead(c, CLASS_COUNT)
        old = safetensors_io.load(kept)
        weight = old["proj.weight"].repeat(1, 2) / 2 if args.double else old["proj.weight"]
        head.load_state_dict(old | {"proj.weight": weight})
    reader = CardReader(c)
    reader.load_state_dict(state)
    count = sum(math.prod(p.shape) for p in reader.parameters())
    print(f"{count:,} parameters")
    export.write_model(reader, args.out, json.loads((args.model / "training.json").read_text()), head)


if __name__ == "__main__":
    main()
