"""Fresh augmentation on the GPU, ending in the served pipeline's own resizes.

A card of the pool is resampled to a random source size with margins (Lanczos, as matrix
products), takes light, colour, noise and JPEG faults there, and is then resized to the
longest edge and to the square tile with Pillow's Lanczos weights. A part of every batch
is bent in perspective instead, gets a camera's light, glare, haze, blur and low
resolution, and may be turned by quarters.
"""

import math
from functools import lru_cache
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model import Config

MARGIN_VARIANTS = 32
SOURCE_HEIGHTS = (384, 416, 448, 480, 512, 560, 608, 672, 736, 800, 896, 1008)
CAMERA_HEIGHTS = (448, 512, 576, 640, 720, 800, 896, 1008)
UPRIGHT_SHARE = 0.6


def _lanczos(x: Tensor) -> Tensor:
    return torch.sinc(x) * torch.sinc(x / 3) * (x.abs() < 3)


@lru_cache(maxsize=None)
def pillow_weights(n: int, m: int) -> np.ndarray:
    """Pillow's Lanczos weights `[m, n]` from length n to length m."""
    scale = n / m
    filter_scale = max(scale, 1.0)
    support = 3 * filter_scale
    weights = np.zeros((m, n))
    for i in range(m):
        centre = (i + 0.5) * scale
        lo, hi = max(0, int(centre - support + 0.5)), min(n, int(centre + support + 0.5))
        x = (np.arange(lo, hi) - centre + 0.5) / filter_scale
        k = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
        weights[i, lo:hi] = k / k.sum()
    return weights


@lru_cache(maxsize=None)
def served_weights(
    h: int, w: int, edge: int, tile: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The two served resizes of an h x w picture as matrices `[tile, h]` and `[tile, w]`."""
    if w >= h:
        w1, h1 = edge, int(edge / (w / h))
        h1 += h1 % 2
    else:
        w1, h1 = int(edge * (w / h)), edge
        w1 += w1 % 2
    rows = pillow_weights(h1, tile) @ pillow_weights(h, h1)
    columns = pillow_weights(w1, tile) @ pillow_weights(w, w1)
    return torch.tensor(rows, device=device, dtype=dtype), torch.tensor(columns, device=device, dtype=dtype)


def _resample(n: int, m: int, share: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Per-sample Lanczos matrices `[b, m, n]` and coverage `[b, m]`.

    The n input pixels fill `share` of the output's length, from the fraction `offset`.
    """
    device = share.device
    step = n / (m * share)
    spread = step.clamp(min=1.0)[:, None, None]
    centre = ((torch.arange(m, device=device) + 0.5) / m - offset[:, None]) / share[:, None] * n
    x = (torch.arange(n, device=device) + 0.5 - centre[..., None]) / spread
    weights = _lanczos(x)
    total = weights.sum(-1)
    coverage = (total / spread[..., 0]).clamp(0, 1)
    coverage = torch.where(coverage > 0.97, torch.ones_like(coverage), coverage)
    return weights / total.clamp(min=1e-2)[..., None] * coverage[..., None], coverage


@lru_cache(maxsize=None)
def _dct(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The 8 x 8 DCT of a flattened block as a matrix `[64, 64]`."""
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return torch.kron(basis, basis).to(dtype)


_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


@lru_cache(maxsize=None)
def _luma(device: torch.device) -> Tensor:
    """JPEG's luma table. Kept: copying it every time would make the host wait for the GPU."""
    return torch.tensor(_LUMA, device=device)


def _quantised(plane: Tensor, table: Tensor) -> Tensor:
    """A plane `[b, h, w]` after 8 x 8 DCT quantisation by `[b, 64]`."""
    b, h, w = plane.shape
    basis = _dct(plane.device, plane.dtype)
    blocks = plane.view(b, h // 8, 8, w // 8, 8).transpose(2, 3).reshape(b, -1, 64)
    steps = table[:, None].to(plane.dtype)
    coefficients = (blocks @ basis.T / steps).round() * steps
    return (coefficients @ basis).view(b, h // 8, w // 8, 8, 8).transpose(2, 3).reshape(b, h, w)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """JPEG's loss on `[b, 3, h, w]` in 0..255 with 4:2:0 chroma; h and w multiples of 16."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    luma = (_luma(x.device) * scale[:, None]).clamp(min=1)
    chroma = (luma * 1.4).clamp(max=255)
    r, g, b = x.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb, cr = 0.564 * (b - y), 0.713 * (r - y)
    y = _quantised(y - 128, luma) + 128
    cb, cr = (
        F.interpolate(_quantised(F.avg_pool2d(c[:, None], 2)[:, 0], chroma)[:, None], scale_factor=2.0)[:, 0]
        for c in (cb, cr)
    )
    return torch.stack([y + 1.403 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.773 * cb], 1).clamp(0, 255).round()


class Augmenter:
    """Draws fresh variants of pool cards. All randomness comes from one seed."""

    def __init__(
        self, config: Config, device: torch.device, dtype: torch.dtype, seed: int, camera_groups: int = 0
    ) -> None:
        self.config, self.device, self.dtype = config, device, dtype
        self.camera_groups = camera_groups
        self.random = Random(seed)
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        """`[count]` floats."""
        return torch.rand(count, device=self.device, generator=self.generator) * (high - low) + low

    def batch(self, pictures: Tensor, chars: Tensor, strength: float, groups: int) -> tuple[Tensor, Tensor]:
        """`[b, H, W, 3]` u8 and `[b, n, 3]` -> `[b, 3, tile, tile]` around 0..255 and moved chars.

        The model's input is that, rounded, clamped and scaled to [-1, 1] (`normalised`).
        strength (0 to 1) scales the camera effects; the last groups are camera groups.
        """
        pixels, moved = [], []
        parts = zip(pictures.chunk(groups), chars.chunk(groups))
        for index, (part, part_chars) in enumerate(parts):
            x = part.permute(0, 3, 1, 2).to(self.dtype, memory_format=torch.contiguous_format)
            camera = index >= groups - self.camera_groups
            height = self.random.choice(CAMERA_HEIGHTS if camera else SOURCE_HEIGHTS)
            width = 16 * round(height * self.random.uniform(0.69, 0.74) / 16)
            ground = self.uniform(3 * len(x), 0, 255).view(-1, 3, 1, 1).to(self.dtype)
            if camera:
                x, part_chars = self._perspective(x, part_chars, height, width, ground, strength)
                x = self._light(x, strength)
            else:
                x, part_chars = self._margins(x, part_chars, height, width, ground)
            x = self._colour(x)
            x = self._noise(x, 6.0 if camera else 3.0)
            x = jpeg(x.clamp_(0, 255).round_(), self.uniform(len(x), 50.0, 99.0).to(self.dtype))
            if camera and self.random.random() > UPRIGHT_SHARE:
                x, part_chars = quarter_turns(x, part_chars, self.random.randint(1, 3))
            c = self.config
            rows, columns = served_weights(*x.shape[2:], c.longest_edge, c.image_size, self.device, self.dtype)
            pixels.append(rows @ x @ columns.T)
            moved.append(part_chars)
        return torch.cat(pixels), torch.cat(moved)

    def _margins(self, x: Tensor, chars: Tensor, height: int, width: int, ground: Tensor) -> tuple[Tensor, Tensor]:
        b, variants = len(x), min(len(x), MARGIN_VARIANTS)
        sides = self.uniform(4 * variants, -0.012, 0.04).view(4, variants)
        left, right, top, bottom = torch.where(sides.abs() < 0.006, torch.zeros_like(sides), sides)
        share_x, share_y = 1 / (1 + left + right), 1 / (1 + top + bottom)
        offset_x, offset_y = left * share_x, top * share_y
        rows, cover_y = _resample(x.shape[2], height, share_y, offset_y)
        columns, cover_x = _resample(x.shape[3], width, share_x, offset_x)
        each = b // variants
        x = x.view(variants, 3 * each, *x.shape[2:])
        x = rows.to(x.dtype)[:, None] @ x @ columns.to(x.dtype).transpose(1, 2)[:, None]
        x = x.view(b, 3, height, width)
        share_x, share_y, offset_x, offset_y, cover_x, cover_y = (
            v.repeat_interleave(each, 0) for v in (share_x, share_y, offset_x, offset_y, cover_x, cover_y)
        )
        cover = (cover_y[:, :, None] * cover_x[:, None])[:, None].to(x.dtype)
        chars = chars.clone()
        chars[..., 1] = chars[..., 1] * share_x[:, None] + offset_x[:, None]
        chars[..., 2] = chars[..., 2] * share_y[:, None] + offset_y[:, None]
        return x + ground * (1 - cover), chars

    def _perspective(
        self, x: Tensor, chars: Tensor, height: int, width: int, ground: Tensor, strength: float
    ) -> tuple[Tensor, Tensor]:
        b = len(x)
        turn = self.uniform(b, -0.09, 0.09) * strength
        grow = 1 + self.uniform(b, 0.0, 0.12) * strength
        bend = self.uniform(2 * b, -0.06, 0.06).view(2, b) * strength
        shift = self.uniform(2 * b, -0.03, 0.03).view(2, b) * strength
        cos, sin, aspect = turn.cos() * grow, turn.sin() * grow, height / width
        matrix = torch.stack(
            [cos, sin * aspect, shift[0], -sin / aspect, cos, shift[1], bend[0], bend[1], torch.ones_like(turn)], 1
        ).view(b, 3, 3)
        ys = (torch.arange(height, device=self.device) + 0.5) / height * 2 - 1
        xs = (torch.arange(width, device=self.device) + 0.5) / width * 2 - 1
        ones = torch.ones(height, width, device=self.device)
        grid = torch.stack([xs.expand(height, width), ys[:, None].expand(height, width), ones], -1)
        source = grid.view(1, -1, 3) @ matrix.transpose(1, 2)
        source = (source[..., :2] / source[..., 2:]).view(b, height, width, 2)
        inside = (source.abs().amax(-1) < 1)[:, None]
        share = self.random.uniform(0.55, 1) if self.random.random() < 0.4 else 1.1  # of the photo's pixels
        size = [round(n * min(1.0, max(share * height, 420) / x.shape[2])) for n in x.shape[2:]]
        x = F.interpolate(x.float(), size, mode="bilinear", antialias=True)
        warped = F.grid_sample(x, source, padding_mode="border", align_corners=False).to(self.dtype)
        texture = torch.randn(b, 1, 12, 9, device=self.device, generator=self.generator).to(self.dtype) * 20
        texture = F.interpolate(texture, (height, width), mode="bilinear")
        points = torch.stack([chars[..., 1] * 2 - 1, chars[..., 2] * 2 - 1, torch.ones_like(chars[..., 0])], -1)
        points = points @ torch.linalg.inv(matrix).transpose(1, 2)
        places = (points[..., :2] / points[..., 2:] + 1) / 2
        return torch.where(inside, warped, ground + texture), torch.cat([chars[..., :1], places], -1)

    def _light(self, x: Tensor, strength: float) -> Tensor:
        """Uneven light, a soft reflection, a sleeve's haze and a slight blur."""
        b, _, h, w = x.shape
        ys = torch.linspace(-0.5, 0.5, h, device=self.device)[:, None]
        xs = torch.linspace(-0.5, 0.5, w, device=self.device)[None]

        def draw(low: float, high: float) -> Tensor:
            return self.uniform(b, low, high)[:, None, None]

        ramp = 1 + strength * (draw(-0.3, 0.3) * xs + draw(-0.3, 0.3) * ys)
        distance = (xs - draw(-0.5, 0.5)) ** 2 + (ys - draw(-0.5, 0.5)) ** 2
        glare = strength * draw(-80, 90).clamp(min=0) * torch.exp(-distance / draw(0.05, 0.2) ** 2)
        slope, middle, wide = draw(-1, 1), draw(-0.6, 0.6), draw(0.03, 0.2)
        streak = strength * draw(-60, 50).clamp(min=0) * torch.sigmoid((wide - (xs - slope * ys - middle).abs()) / 0.02)
        haze = strength * draw(-0.15, 0.12).clamp(min=0)[:, None].to(x.dtype)
        sigma = self.uniform(b, 0.2, 0.3 + strength * h / 1100)
        taps = torch.arange(-4, 5, device=self.device)
        kernel = torch.exp(-(taps**2) / (2 * sigma[:, None] ** 2))
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0).to(x.dtype)
        flat = x.reshape(1, 3 * b, h, w)
        flat = F.conv2d(flat, kernel.view(3 * b, 1, 9, 1), padding=(4, 0), groups=3 * b)
        flat = F.conv2d(flat, kernel.view(3 * b, 1, 1, 9), padding=(0, 4), groups=3 * b)
        flat = flat.view(b, 3, h, w) * (1 - haze) + 235 * haze
        return flat * ramp[:, None].to(x.dtype) + (glare + streak)[:, None].to(x.dtype)

    def _colour(self, x: Tensor) -> Tensor:
        """Contrast, brightness and a colour matrix; now and then a strong turn of hue."""
        b = len(x)
        noise = torch.randn(b, 3, 3, device=self.device, generator=self.generator)
        strong = (self.uniform(b, 0, 1) < 0.3)[:, None, None]
        matrix = torch.eye(3, device=self.device) + noise * torch.where(strong, 0.25, 0.03)
        matrix = matrix / matrix.sum(2, keepdim=True).clamp(min=0.5) * self.uniform(b, 0.85, 1.12)[:, None, None]
        shift = self.uniform(b, -14, 14)[:, None, None]
        return _mixed(x, matrix.to(x.dtype), shift.to(x.dtype))

    def _noise(self, x: Tensor, high: float) -> Tensor:
        noise = torch.randn(x.shape, device=self.device, generator=self.generator, dtype=x.dtype)
        amount = self.uniform(len(x), -high, high).clamp(min=0).to(x.dtype)
        return x + noise * amount[:, None, None, None]


def _mixed(x: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Colours `[b, 3, h, w]` through matrices `[b, 3, 3]`, shifted by `[b, 1, 1]`."""
    planes = x.unbind(1)
    weights = matrix.unbind(2)
    mixed = [sum(p * w[:, row, None, None] for p, w in zip(planes, weights)) + shift for row in range(3)]
    return torch.stack(mixed, 1)


def quarter_turns(x: Tensor, chars: Tensor, turns: int) -> tuple[Tensor, Tensor]:
    """Pictures turned counter-clockwise by quarters, and where their characters then stand."""
    kind, px, py = chars.unbind(-1)
    for _ in range(turns):
        px, py = py, 1 - px
    return torch.rot90(x, turns, (2, 3)), torch.stack([kind, px, py], -1)


def normalised(x: Tensor) -> Tensor:
    """Pictures around 0..255 as the processor gives them: whole numbers, scaled to [-1, 1]."""
    return x.float().clamp(0, 255).round() / 127.5 - 1


def character_targets(chars: Tensor, grid: int, slots: int, none_class: int) -> Tensor:
    """Classes `[b, grid * grid, slots]` of the characters whose centres lie in each patch.

    chars `[b, n, 3]`: class (-1 padding, 255 to be ignored), x, y in 0..1, in reading
    order. Patches with ignored text, and their free slots, become -100.
    """
    b, n, _ = chars.shape
    kind = chars[..., 0].long()
    x, y = (chars[..., 1] * grid).floor().long(), (chars[..., 2] * grid).floor().long()
    valid = (kind >= 0) & (x >= 0) & (x < grid) & (y >= 0) & (y < grid)
    patch = torch.where(valid, y * grid + x, grid * grid)
    order = patch.argsort(dim=1, stable=True)
    patch, kind = patch.gather(1, order), kind.gather(1, order)
    position = torch.arange(n, device=chars.device).expand(b, n)
    first = torch.where(F.pad(patch[:, 1:] != patch[:, :-1], (1, 0), value=True), position, 0)
    rank = position - first.cummax(1).values
    kept = (rank < slots) & (patch < grid * grid)
    flat = torch.where(kept, patch * slots + rank, grid * grid * slots)
    targets = torch.full((b, grid * grid * slots + 1), none_class, device=chars.device)
    targets.scatter_(1, flat, kind)
    targets = targets[:, :-1].view(b, grid * grid, slots)
    ignored = (targets == 255).any(-1, keepdim=True)
    return torch.where(ignored, -100, targets)
