"""The micro CNNs that grade pizzas: MicroPizzaNet V1, V2, their squeeze-and-excite and deeper variants.

A picture is float [N, 3, 48, 48], (byte - 128) / 128 (preprocess.py). The tensors' names are those of
model.safetensors; `Shape` is what config.json says, and the one thing that says how a network is built, so that a
pruned or searched one is built the same way.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

LABELS = ("basic", "burnt", "combined", "mixed", "progression", "segment")
IMAGE_SIZE = 48


@dataclass(frozen=True)
class Shape:
    """The channels of a network. `hidden` (one a block) belongs to inverted residuals, `squeeze` to squeeze-and-excite."""

    block: str = "separable"  # or inverted_residual
    stem: int = 8
    blocks: tuple[int, ...] = (16,)
    hidden: tuple[int, ...] = ()
    squeeze: tuple[int, ...] = ()  # stem and blocks; empty: none
    activation: str = "relu"  # or relu6

    def __post_init__(self) -> None:
        if self.block not in ("separable", "inverted_residual"):
            raise ValueError(f"block: expected separable or inverted_residual, found {self.block}")
        if self.activation not in ("relu", "relu6"):
            raise ValueError(f"activation: expected relu or relu6, found {self.activation}")
        if len(self.hidden) != (len(self.blocks) if self.block == "inverted_residual" else 0):
            raise ValueError(f"hidden_channels: expected one a block for inverted_residual only, found {self.hidden}")
        if self.squeeze and len(self.squeeze) != 1 + len(self.blocks):
            raise ValueError(f"squeeze_channels: expected one for the stem and one a block, found {self.squeeze}")

    def config(self) -> dict:
        """What config.json says of it."""
        out = {
            "architectures": ["MicroPizzaNet"],
            "model_type": "micro_cnn",
            "task": "pizza",
            "block": self.block,
            "image_size": IMAGE_SIZE,
            "num_channels": 3,
            "stem_channels": self.stem,
            "block_channels": list(self.blocks),
        }
        if self.hidden:
            out["hidden_channels"] = list(self.hidden)
        if self.squeeze:
            out["squeeze_channels"] = list(self.squeeze)
        out["activation"] = self.activation
        out["norm_eps"] = 1e-05
        out["id2label"] = {str(i): label for i, label in enumerate(LABELS)}
        out["torch_dtype"] = "float32"
        return out

    @staticmethod
    def from_config(config: dict) -> "Shape":
        """The shape a config.json says; channel counts may be any."""
        if config.get("model_type") != "micro_cnn" or config.get("image_size") != IMAGE_SIZE:
            raise ValueError(f"expected model_type micro_cnn and image_size {IMAGE_SIZE}")
        labels = tuple(config["id2label"][str(i)] for i in range(len(config["id2label"])))
        if labels != LABELS:
            raise ValueError(f"id2label: expected {LABELS}, found {labels}")
        return Shape(
            config["block"],
            config["stem_channels"],
            tuple(config["block_channels"]),
            tuple(config.get("hidden_channels", ())),
            tuple(config.get("squeeze_channels", ())),
            config["activation"],
        )


# The named variants with the parameters and multiplications each must have.
VARIANTS = {
    "v1": Shape(),
    "v2": Shape(block="inverted_residual", hidden=(48,), activation="relu6"),
    "se4": Shape(squeeze=(2, 4)),
    "se8": Shape(squeeze=(1, 2)),
    "3block": Shape(blocks=(16, 32)),
}
PARAMETERS = {"v1": 582, "v2": 2142, "se4": 742, "se8": 662, "3block": 1430}
V1_MACS = 153_312


class SqueezeExcite(nn.Sequential):
    """Scales each channel by a sigmoid of all channels' means (Hu et al. 2018), linear layers without bias."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__(
            nn.Linear(channels, squeeze, bias=False), nn.ReLU(), nn.Linear(squeeze, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x.mean((2, 3)))[:, :, None, None]


def _numbered(*layers: nn.Module, squeeze: nn.Module | None = None, pool: nn.Module | None = None) -> nn.Sequential:
    """Layers by number, then `se`, then the pool, in this order."""
    named = OrderedDict((str(i), layer) for i, layer in enumerate(layers))
    if squeeze is not None:
        named["se"] = squeeze
    if pool is not None:
        named[str(len(layers))] = pool
    return nn.Sequential(named)


class MicroPizzaNet(nn.Module):
    """block1 (stem), block2 and further blocks, classifier. See the model card for the layers' order."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

        def activation() -> nn.Module:
            return nn.ReLU6() if shape.activation == "relu6" else nn.ReLU()

        def squeeze(place: int, channels: int) -> nn.Module | None:
            return SqueezeExcite(channels, shape.squeeze[place]) if shape.squeeze else None

        self.block1 = _numbered(
            nn.Conv2d(3, shape.stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(shape.stem),
            activation(),
            squeeze=squeeze(0, shape.stem),
            pool=nn.MaxPool2d(2),
        )
        before = shape.stem
        for i, after in enumerate(shape.blocks):
            if shape.block == "separable":
                block = _numbered(
                    nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False),
                    nn.BatchNorm2d(before),
                    activation(),
                    nn.Conv2d(before, after, 1, bias=False),
                    nn.BatchNorm2d(after),
                    activation(),
                    squeeze=squeeze(1 + i, after),
                    pool=nn.MaxPool2d(2),
                )
            else:
                wide = shape.hidden[i]
                block = _numbered(
                    nn.Conv2d(before, wide, 1, bias=False),
                    nn.BatchNorm2d(wide),
                    activation(),
                    nn.Conv2d(wide, wide, 3, 2, 1, groups=wide, bias=False),
                    nn.BatchNorm2d(wide),
                    activation(),
                    nn.Conv2d(wide, after, 1, bias=False),
                    nn.BatchNorm2d(after),
                    squeeze=squeeze(1 + i, after),
                )
            self.add_module(f"block{2 + i}", block)
            before = after
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, len(LABELS)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, 48, 48] -> logits [N, 6]."""
        return self.classifier(self.features(x)[-1])

    def features(self, x: Tensor) -> list[Tensor]:
        """What each block gives, the stem first."""
        given = []
        for i in range(1 + len(self.shape.blocks)):
            x = getattr(self, f"block{1 + i}")(x)
            given.append(x)
        return given

    def stored(self) -> dict[str, Tensor]:
        """The tensors of model.safetensors."""
        return {k: v for k, v in self.state_dict().items() if not k.endswith("num_batches_tracked")}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        missing, unexpected = self.load_state_dict(tensors, strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise ValueError(f"tensors missing {missing}, unexpected {unexpected}")


def parameters(shape: Shape) -> int:
    return sum(p.numel() for p in MicroPizzaNet(shape).parameters())


@dataclass
class Cost:
    """What one picture costs on a device; bytes for int8 weights and activations with batch norms folded."""

    macs: int = 0
    flash: int = 0  # weights, and per output channel a bias and a multiplier of 4 bytes each and a shift of 1
    arena: int = 0  # the most that input and output of one layer take together
    layers: list[tuple[str, int]] = field(default_factory=list)  # name, MACs


def cost(shape: Shape) -> Cost:
    """Multiply-adds of convolutions and linear layers, flash and arena, layer by layer; nothing fused but norm and activation."""
    out = Cost()

    def layer(name: str, macs: int, weights: int, channels: int, inside: int, outside: int) -> None:
        out.macs += macs
        out.flash += weights + 9 * channels
        out.arena = max(out.arena, inside + outside)
        out.layers.append((name, macs))

    side, stem = IMAGE_SIZE // 2, shape.stem
    area = side * side
    layer("block1.0", area * stem * 27, stem * 27, stem, 3 * IMAGE_SIZE**2, stem * area)

    def squeeze(place: int, name: str, channels: int, area: int) -> None:
        if shape.squeeze:
            s = shape.squeeze[place]
            layer(f"{name}.se", 2 * channels * s, 2 * channels * s, channels + s, channels * area, channels)

    squeeze(0, "block1", stem, area)
    out.arena = max(out.arena, stem * area + stem * area // 4)
    side //= 2
    before = stem
    for i, after in enumerate(shape.blocks):
        name, area = f"block{2 + i}", side * side
        if shape.block == "separable":
            layer(f"{name}.0", 9 * before * area, 9 * before, before, before * area, before * area)
            layer(f"{name}.3", before * after * area, before * after, after, before * area, after * area)
            squeeze(1 + i, name, after, area)
            side //= 2
            out.arena = max(out.arena, after * area + after * side * side)
        else:
            wide, small = shape.hidden[i], ((side + 1) // 2) ** 2
            layer(f"{name}.0", before * wide * area, before * wide, wide, before * area, wide * area)
            layer(f"{name}.3", 9 * wide * small, 9 * wide, wide, wide * area, wide * small)
            layer(f"{name}.6", wide * after * small, wide * after, after, wide * small, after * small)
            squeeze(1 + i, name, after, small)
            side = (side + 1) // 2
        before = after
    layer("classifier.2", before * len(LABELS), before * len(LABELS), len(LABELS), before * side * side, before)
    return out


def check() -> None:
    """The variants have the parameters and multiplications that they are known by."""
    for name, shape in VARIANTS.items():
        assert parameters(shape) == PARAMETERS[name], (name, parameters(shape))
        assert Shape.from_config(shape.config()) == shape, name
        shapes = [list(t.shape[1:]) for t in MicroPizzaNet(shape).features(torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE))]
        assert shapes[:2] == [[8, 12, 12], [16, 6, 6]], (name, shapes)
    assert cost(VARIANTS["v1"]).macs == V1_MACS, cost(VARIANTS["v1"])


if __name__ == "__main__":
    check()
    for variant, shape in VARIANTS.items():
        price = cost(shape)
        print(f"{variant:7} {PARAMETERS[variant]:5} parameters {price.macs:7} MACs {price.flash:5} B flash {price.arena:6} B arena")
