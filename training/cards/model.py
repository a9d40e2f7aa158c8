"""The Idefics3 / SmolVLM architecture in PyTorch, small and trainable.

Parameter names and arithmetic are those of transformers'
`Idefics3ForConditionalGeneration` (one frame, full patch mask), so that a saved state
loads there with every key matching. The character head exists only in training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fields


@dataclass(frozen=True)
class Config:
    """Shapes. `image_tokens` = (image_size / patch_size / scale_factor) squared.

    The defaults are card-reader-s; `MEDIUM` is card-reader-m.
    """

    image_size: int = 768
    longest_edge: int = 1080
    patch_size: int = 24
    scale_factor: int = 2
    vision_hidden: int = 192
    vision_layers: int = 5
    vision_heads: int = 6
    vision_intermediate: int = 544
    hidden: int = 192
    layers: int = 3
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    intermediate: int = 384
    vocab: int = fields.VOCAB_SIZE
    rope_theta: float = 10000.0
    rms_eps: float = 1e-5
    layer_norm_eps: float = 1e-6

    @staticmethod
    def of_folder(folder: Path) -> Config:
        """The shapes of an exported model."""
        whole = json.loads((folder / "config.json").read_text())
        vision, text = whole["vision_config"], whole["text_config"]
        return Config(
            image_size=vision["image_size"],
            longest_edge=json.loads((folder / "preprocessor_config.json").read_text())["size"]["longest_edge"],
            patch_size=vision["patch_size"],
            scale_factor=whole["scale_factor"],
            vision_hidden=vision["hidden_size"],
            vision_layers=vision["num_hidden_layers"],
            vision_heads=vision["num_attention_heads"],
            vision_intermediate=vision["intermediate_size"],
            hidden=text["hidden_size"],
            layers=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            kv_heads=text["num_key_value_heads"],
            head_dim=text["head_dim"],
            intermediate=text["intermediate_size"],
            vocab=text["vocab_size"],
            rope_theta=text["rope_parameters"]["rope_theta"],
            rms_eps=text["rms_norm_eps"],
            layer_norm_eps=vision["layer_norm_eps"],
        )

    @property
    def grid(self) -> int:
        """Patches per side."""
        return self.image_size // self.patch_size

    @property
    def image_tokens(self) -> int:
        """Tokens of one picture after pixel shuffle."""
        return (self.grid // self.scale_factor) ** 2


MEDIUM = Config(vision_hidden=384, vision_intermediate=704, hidden=384, heads=12, kv_heads=4)


class VisionAttention(nn.Module):
    """Bidirectional attention over patches `[batch, patches, width]`."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.heads = c.vision_heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(c.vision_hidden, c.vision_hidden))

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        parts = (self.q_proj, self.k_proj, self.v_proj)
        joined = F.linear(x, torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))
        q, k, v = joined.view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).reshape(b, n, d))


class VisionMLP(nn.Module):
    """fc2(gelu_tanh(fc1(x)))."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.fc1 = nn.Linear(c.vision_hidden, c.vision_intermediate)
        self.fc2 = nn.Linear(c.vision_intermediate, c.vision_hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(c.vision_hidden, eps=c.layer_norm_eps)
        self.self_attn = VisionAttention(c)
        self.layer_norm2 = nn.LayerNorm(c.vision_hidden, eps=c.layer_norm_eps)
        self.mlp = VisionMLP(c)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class VisionEmbeddings(nn.Module):
    """Patches plus learned positions (identity ids: a full square frame)."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.patch_embedding = nn.Conv2d(3, c.vision_hidden, c.patch_size, c.patch_size)
        self.position_embedding = nn.Embedding(c.grid * c.grid, c.vision_hidden)
        self.position_embedding.weight.data.copy_(_sine_positions(c.grid, c.vision_hidden))

    def forward(self, pixels: Tensor) -> Tensor:
        b, g, p = len(pixels), self.c.grid, self.c.patch_size
        # The convolution's patches do not overlap: as a product its gradient is far cheaper.
        cut = pixels.view(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, -1)
        patches = F.linear(cut, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)
        return patches + self.position_embedding.weight


def _sine_positions(grid: int, width: int) -> Tensor:
    """A 2-D sine-cosine start for the position table, `[grid * grid, width]`."""
    quarter = width // 4
    rates = 1.0 / 100 ** (torch.arange(quarter) / quarter)
    angles = torch.arange(grid)[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    rows = one[:, None].expand(grid, grid, -1)
    columns = one[None].expand(grid, grid, -1)
    return 0.3 * torch.cat([rows, columns], 2).reshape(grid * grid, -1)


class VisionModel(nn.Module):
    """Pictures `[batch, 3, T, T]` in [-1, 1] -> normalised patches `[batch, g*g, Dv]`."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(c)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(VisionLayer(c) for _ in range(c.vision_layers))})
        self.post_layernorm = nn.LayerNorm(c.vision_hidden, eps=c.layer_norm_eps)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embeddings(pixels)
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.post_layernorm(x)


class Connector(nn.Module):
    """Pixel shuffle by the scale factor, then one projection without bias."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        width = c.vision_hidden * c.scale_factor**2
        self.modality_projection = nn.ModuleDict({"proj": nn.Linear(width, c.hidden, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, g*g, Dv]` -> `[batch, image_tokens, D]`."""
        b, s, g = x.shape[0], self.c.scale_factor, self.c.grid
        x = x.view(b, g // s, s, g // s, s, -1).permute(0, 1, 3, 2, 4, 5)
        return self.modality_projection["proj"](x.reshape(b, (g // s) ** 2, -1))


class RMSNorm(nn.Module):
    """Root-mean-square norm with float32 statistics."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * y.to(x.dtype)


def rotary(c: Config, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin `[length, head_dim]` of positions 0.. in float32."""
    half = torch.arange(0, c.head_dim, 2, device=device, dtype=torch.float32)
    angles = torch.arange(length, device=device)[:, None] * c.rope_theta ** (-half / c.head_dim)
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class TextAttention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.hidden, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: list[Tensor] | None) -> Tensor:
        """x `[batch, n, D]`; `past` holds keys and values so far and is extended."""
        b, n, _ = x.shape
        parts = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (p(x).view(b, n, -1, self.c.head_dim).transpose(1, 2) for p in parts)
        q, k = _rotate(q, cos, sin).to(v.dtype), _rotate(k, cos, sin).to(v.dtype)
        if past is not None:
            if past:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            past[:] = [k, v]
        groups = self.c.heads // self.c.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=n > 1)
        return self.o_proj(mixed.transpose(1, 2).reshape(b, n, -1))


class TextMLP(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden, c.intermediate, bias=False)
        self.up_proj = nn.Linear(c.hidden, c.intermediate, bias=False)
        self.down_proj = nn.Linear(c.intermediate, c.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    """Llama block."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden, c.rms_eps)
        self.self_attn = TextAttention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden, c.rms_eps)
        self.mlp = TextMLP(c)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: list[Tensor] | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, past)
        return x + self.mlp(self.post_attention_layernorm(x))


class TextModel(nn.Module):
    """Embedded tokens `[batch, n, D]` -> normalised states `[batch, n, D]`."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocab, c.hidden)
        self.layers = nn.ModuleList(TextLayer(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.hidden, c.rms_eps)

    def forward(self, x: Tensor, start: int = 0, past: list[list[Tensor]] | None = None) -> Tensor:
        cos, sin = (t[start:] for t in rotary(self.c, start + x.shape[1], x.device))
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, None if past is None else past[i])
        return self.norm(x)


class Trunk(nn.Module):
    """Vision, connector and text: transformers' `model.` prefix."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.vision_model = VisionModel(c)
        self.connector = Connector(c)
        self.text_model = TextModel(c)


class CardReader(nn.Module):
    """The whole model. The head is tied to the token table."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.model = Trunk(c)
        prompt = fields.prompt_ids(c.image_tokens)
        first = prompt.index(fields.IMAGE_ID)
        self.prompt_length = len(prompt)
        self.register_buffer("before", torch.tensor(prompt[:first]), persistent=False)
        self.register_buffer("after", torch.tensor(prompt[first + c.image_tokens :]), persistent=False)
        self.apply(_initialise)

    def embed(self, patches: Tensor, answer: Tensor) -> Tensor:
        """Prompt with the picture merged in, then answer ids `[batch, a]`, embedded."""
        table = self.model.text_model.embed_tokens
        b = patches.shape[0]
        image = self.model.connector(patches).float()
        before = table(self.before).expand(b, -1, -1)
        after = table(torch.cat([self.after.expand(b, -1), answer], 1))
        return torch.cat([before, image, after], 1)

    def forward(self, pixels: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[batch, a, V]` that predict answer ids `[batch, a]`, and the patches."""
        patches = self.model.vision_model(pixels)
        states = self.model.text_model(self.embed(patches, answer[:, :-1]))
        states = states[:, self.prompt_length - 1 :]
        return F.linear(states, self.model.text_model.embed_tokens.weight), patches

    @torch.no_grad()
    def generate(self, pixels: Tensor, limit: int = fields.MAX_ANSWER) -> list[list[int]]:
        """Greedy answers of a batch of pictures, without the end token."""
        text = self.model.text_model
        patches = self.model.vision_model(pixels)
        x = self.embed(patches, torch.empty(len(pixels), 0, dtype=torch.long, device=pixels.device))
        past: list[list[Tensor]] = [[] for _ in text.layers]
        answers, position = [], 0
        open_rows = torch.ones(len(pixels), 1, dtype=torch.bool, device=pixels.device)
        for step in range(limit):
            states = text(x, position, past)
            position += x.shape[1]
            ids = F.linear(states[:, -1:], text.embed_tokens.weight).argmax(-1)
            answers.append(ids)
            open_rows &= ids != fields.END_ID
            if step % 8 == 7 and not open_rows.any():
                break
            x = text.embed_tokens(ids)
        rows = torch.cat(answers, 1).tolist()
        return [row[: row.index(fields.END_ID)] if fields.END_ID in row else row for row in rows]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        fan_in = module.weight[0].numel()
        nn.init.normal_(module.weight, std=fan_in**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding) and module.num_embeddings == fields.VOCAB_SIZE:
        nn.init.normal_(module.weight, std=0.05)


class CharacterHead(nn.Module):
    """Training only: predicts up to `slots` characters whose centres lie in a patch.

    Classes are padded to a multiple of four, which keeps the product aligned.
    """

    def __init__(self, c: Config, classes: int, slots: int = 4) -> None:
        super().__init__()
        self.slots = slots
        self.width = (classes + 1 + 3) // 4 * 4
        self.proj = nn.Linear(c.vision_hidden, slots * self.width)

    def forward(self, patches: Tensor) -> Tensor:
        """`[batch, g*g, Dv]` -> `[batch, g*g, slots, width]`; class `classes` is none."""
        return self.proj(patches).unflatten(-1, (self.slots, -1))
