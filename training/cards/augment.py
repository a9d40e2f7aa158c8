"""Fresh augmentation on the GPU, ending in the served pipeline's own resizes.

A card of the pool, at times with a press's faults, is resampled to a random source size with margins (Lanczos, as matrix
products), takes colour, noise, JPEG's and WebP's faults there, and is then resized to the
longest edge and to the square tile with Pillow's Lanczos weights. A part of every batch is
photographed instead: laid on a table in perspective, some in a sleeve, with low resolution,
blur, uneven light and glare; a share of these pictures is turned by quarters, one by one.
Passes over pixels are functions of their own, which `Augmenter` compiles on a GPU.
"""

import math
from functools import lru_cache
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model import Config

MARGIN_VARIANTS = 16
SOURCE_HEIGHTS = (368, 384, 400, 416, 432, 448, 480, 512, 544, 592, 640, 720, 800, 896, 1008)
CAMERA_HEIGHTS = (432, 464, 496, 528, 560, 608, 656, 720, 800, 896, 1008)
BLUR_TAPS = 7
PRINTED = 0.35  # share of the groups that show a press's faults
# A sleeve's strips of light and its scratch: where a draw falls below, there is none.
FILM_LOWEST = (0.0, 0.0, 0.0, 0.0, -9.0, -9.0, -9.0, 0.0, -9.0, -9.0, -9.0, 0.0, -9.0, -9.0)


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


def margin_weights(n: int, m: int, share: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
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
def _dct(n: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The n x n DCT of a flattened block as a matrix `[n * n, n * n]`."""
    k = torch.arange(n, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / (2 * n)) * math.sqrt(2 / n)
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


def _quantised(plane: Tensor, steps: Tensor, basis: Tensor, n: int) -> Tensor:
    """A plane `[b, h, w]` after the quantisation of its n x n DCT by `[b, n * n]`."""
    b, h, w = plane.shape
    blocks = plane.view(b, h // n, n, w // n, n).transpose(2, 3).reshape(b, -1, n * n)
    steps = steps[:, None].to(plane.dtype)
    coefficients = (blocks @ basis.T / steps).round() * steps
    return (coefficients @ basis).view(b, h // n, w // n, n, n).transpose(2, 3).reshape(b, h, w)


def _compressed(x: Tensor, luma: Tensor, chroma: Tensor, basis: Tensor, n: int) -> Tensor:
    """The loss of n x n block coding on `[b, 3, h, w]` in 0..255 with 4:2:0 chroma; h and w multiples of 16."""
    r, g, b = x.unbind(1)
    count, h, w = r.shape
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = []
    for c in (0.564 * (b - y), 0.713 * (r - y)):
        small = c.view(count, h // 2, 2, w // 2, 2).mean((2, 4))
        small = _quantised(small, chroma, basis, n)
        planes.append(small[:, :, None, :, None].expand(-1, -1, 2, -1, 2).reshape(count, h, w))
    y = _quantised(y - 128, luma, basis, n) + 128
    cb, cr = planes
    return torch.stack([y + 1.403 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.773 * cb], 1).clamp(0, 255).round()


def coded_by_8(x: Tensor, luma: Tensor, chroma: Tensor, basis: Tensor) -> Tensor:
    """JPEG's loss."""
    return _compressed(x, luma, chroma, basis, 8)


def coded_by_4(x: Tensor, luma: Tensor, chroma: Tensor, basis: Tensor) -> Tensor:
    """About WebP's loss: blocks of four, the same step for all frequencies."""
    return _compressed(x, luma, chroma, basis, 4)


def _column(values: Tensor, index: int) -> Tensor:
    return values[:, index, None, None]


def _places(inverse: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Where each pixel of an h x w photo lies on what was photographed, 0..1 from its corner: two `[b, h, w]`."""
    m = inverse.flatten(1)
    x = ((torch.arange(w, device=m.device) + 0.5) / w)[None, None]
    y = ((torch.arange(h, device=m.device) + 0.5) / h)[None, :, None]
    depth = _column(m, 6) * x + _column(m, 7) * y + _column(m, 8)
    s = (_column(m, 0) * x + _column(m, 1) * y + _column(m, 2)) / depth
    return s, (_column(m, 3) * x + _column(m, 4) * y + _column(m, 5)) / depth


def sampling_grid(inverse: Tensor, span: Tensor, h: int, w: int) -> Tensor:
    """For grid_sample: where on the card each pixel of the photo lies.

    span `[b, 4]`: left, top, width, height of what was photographed, in cards.
    """
    s, t = _places(inverse, h, w)
    u, v = _column(span, 0) + s * _column(span, 2), _column(span, 1) + t * _column(span, 3)
    return torch.stack([2 * u - 1, 2 * v - 1], -1)


def laid_down(
    warped: Tensor, inverse: Tensor, span: Tensor, table: Tensor, film: Tensor, dtype: torch.dtype
) -> Tensor:
    """The warped card over its sleeve's back, over the table `[b, 3, h, w]`, under the sleeve's film `[b, 14]`."""
    h, w = warped.shape[2:]
    s, t = _places(inverse, h, w)
    u, v = _column(span, 0) + s * _column(span, 2), _column(span, 1) + t * _column(span, 3)
    inside = (torch.minimum(torch.minimum(s, 1 - s), torch.minimum(t, 1 - t)) > 0)[:, None]
    card = (torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v)) > 0)[:, None]
    back, grey = _column(film, 0)[:, None], _column(film, 1)[:, None]
    ground = torch.where(inside, table + (grey - table) * back, table)
    shine = _column(film, 2)
    for at in (3, 7):
        away = (s - _column(film, at + 3) * t - _column(film, at + 2)).abs()
        shine = shine + _column(film, at) * torch.sigmoid((_column(film, at + 1) - away) / 0.015)
    scratch = (s * _column(film, 12) + t - _column(film, 13)).abs() < 0.0018
    shine = shine + torch.where(scratch, _column(film, 11), 0.0)
    edge = torch.minimum(torch.minimum(s, 1 - s), 1.4 * torch.minimum(t, 1 - t)) < 0.005
    shine = torch.where(edge, 6 * shine.clamp(max=0.1), shine.clamp(max=0.5))[:, None]
    x = torch.where(card, warped, ground)
    return torch.where(inside, x + (255 - x) * shine, x).to(dtype)


def blurred(x: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """`[b, 3, h, w]` through kernels `[b, BLUR_TAPS]` along both axes."""
    h, w = x.shape[2:]
    reach = BLUR_TAPS // 2
    wide = F.pad(x, (reach, reach, 0, 0), mode="replicate")
    y = sum(wide[..., i : i + w] * across[:, i, None, None, None] for i in range(BLUR_TAPS)).to(x.dtype)
    tall = F.pad(y, (0, 0, reach, reach), mode="replicate")
    return sum(tall[..., i : i + h, :] * down[:, i, None, None, None] for i in range(BLUR_TAPS)).to(x.dtype)


def exposed(x: Tensor, light: Tensor, matrix: Tensor, noise: Tensor) -> Tensor:
    """Light that falls off and a glare (`[b, 8]`, with shift and noise), colours through `[b, 3, 3]`."""
    h, w = x.shape[2:]
    px = ((torch.arange(w, device=x.device) + 0.5) / w)[None, None]
    py = ((torch.arange(h, device=x.device) + 0.5) / h)[None, :, None]
    ramp = 1 + _column(light, 0) * (px - 0.5) + _column(light, 1) * (py - 0.5)
    distance = ((px - _column(light, 2)) ** 2 + (py - _column(light, 3)) ** 2) / _column(light, 5) ** 2
    glare = _column(light, 4) * torch.exp(-distance)
    r, g, b = (plane * ramp for plane in x.unbind(1))
    rows = [
        _column(matrix[:, row], 0) * r + _column(matrix[:, row], 1) * g + _column(matrix[:, row], 2) * b + glare
        for row in range(3)
    ]
    shift, amount = light[:, 6, None, None, None], light[:, 7, None, None, None]
    return (torch.stack(rows, 1) + shift + noise * amount).clamp(0, 255).round().to(noise.dtype)


def screened(x: Tensor, screens: Tensor, spread: Tensor) -> Tensor:
    """`[b, 3, h, w]` as a press prints it: ink that spreads or shrinks by `[b]`, a halftone screen for each colour.

    screens `[b, 3, 7]`: waves a pixel, angle, two phases, hardness of the dots, their share, a line's slope.
    """
    h, w = x.shape[2:]
    inked, bare = -F.max_pool2d(-x, 3, 1, 1), F.max_pool2d(x, 3, 1, 1)
    amount = spread[:, None, None, None].to(x.dtype)
    x = x + torch.where(amount > 0, amount * (inked - x), amount * (x - bare))
    waves, angle, first, second, hard, share, lines = screens[..., None, None].unbind(2)
    px = torch.arange(w, device=x.device, dtype=torch.float32)[None, None, None]
    py = torch.arange(h, device=x.device, dtype=torch.float32)[None, None, :, None]
    cos, sin = angle.cos() * waves, angle.sin() * waves
    u, v = (px * cos + py * sin + first) * (2 * math.pi), (py * cos - px * sin + second) * (2 * math.pi)
    screen = 0.5 + 0.25 * (u.cos() * (1 + lines) + v.cos() * (1 - lines))
    tone = x.float() / 255
    dots = torch.sigmoid(hard * (tone - screen))
    kept = share * (tone / 0.06).clamp(0, 1) * ((1 - tone) / 0.06).clamp(0, 1)
    return (255 * (tone + kept * (dots - tone))).to(x.dtype)


def _inverse(matrix: Tensor) -> Tensor:
    """The inverse of `[b, 3, 3]` but for its scale, which does not matter to a homography."""
    a, b, c = matrix.unbind(1)
    return torch.stack([torch.cross(b, c, 1), torch.cross(c, a, 1), torch.cross(a, b, 1)], 2)


def square_to_quad(x: Tensor, y: Tensor) -> Tensor:
    """Matrices `[b, 3, 3]` that take the unit square's corners, clockwise from 0, 0, to `[b, 4]` points."""
    dx1, dx2, dx3 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2], x[:, 0] - x[:, 1] + x[:, 2] - x[:, 3]
    dy1, dy2, dy3 = y[:, 1] - y[:, 2], y[:, 3] - y[:, 2], y[:, 0] - y[:, 1] + y[:, 2] - y[:, 3]
    area = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / area, (dx1 * dy3 - dx3 * dy1) / area
    rows = [x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3], x[:, 0]]
    rows += [y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3], y[:, 0]]
    return torch.stack([*rows, g, h, torch.ones_like(g)], 1).view(-1, 3, 3)


class Augmenter:
    """Draws fresh variants of pool cards. All randomness comes from one seed."""

    def __init__(
        self,
        config: Config,
        device: torch.device,
        dtype: torch.dtype,
        seed: int,
        camera_groups: int = 0,
        compiled: bool = False,
    ) -> None:
        self.config, self.device, self.dtype = config, device, dtype
        self.camera_groups = camera_groups
        self.random = Random(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        passes = (coded_by_8, coded_by_4, sampling_grid, laid_down, blurred, exposed, margin_weights, screened)
        for function in passes:
            setattr(self, f"_{function.__name__}", torch.compile(function, dynamic=True) if compiled else function)
        self._corners = torch.tensor([[-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5]], device=device)
        self._taps = torch.arange(BLUR_TAPS, device=device) - BLUR_TAPS // 2
        self._film_lowest = torch.tensor(FILM_LOWEST, device=device)
        self._bounds: dict[tuple[tuple[float, float], ...], Tensor] = {}

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        """`[count]` floats."""
        return torch.rand(count, device=self.device, generator=self.generator) * (high - low) + low

    def draws(self, count: int, *bounds: tuple[float, float]) -> Tensor:
        """`[count, len(bounds)]` floats between the bounds, which stay on the device once they were used."""
        if bounds not in self._bounds:
            self._bounds[bounds] = torch.tensor(bounds, device=self.device).T.contiguous()
        low, high = self._bounds[bounds]
        drawn = torch.rand(count, len(bounds), device=self.device, generator=self.generator)
        return drawn * (high - low) + low

    def batch(
        self, pictures: Tensor, chars: Tensor, strength: float, groups: int, turned: float = 0.4
    ) -> tuple[Tensor, Tensor]:
        """`[b, H, W, 3]` u8 and `[b, n, 3]` -> `[b, 3, tile, tile]` around 0..255 and moved chars.

        The model's input is that, rounded, clamped and scaled to [-1, 1] (`normalised`).
        strength (0 to 1) scales the camera effects; the last groups are camera groups, of whose
        pictures a share is turned by quarters.
        """
        pixels, moved = [], []
        c = self.config
        for index, (part, part_chars) in enumerate(zip(pictures.chunk(groups), chars.chunk(groups))):
            x = part.permute(0, 3, 1, 2).to(self.dtype, memory_format=torch.contiguous_format)
            if self.random.random() < PRINTED:
                x = self._printed(x)
            camera = index >= groups - self.camera_groups
            heights = CAMERA_HEIGHTS if camera else SOURCE_HEIGHTS
            count = self.camera_groups if camera else groups - self.camera_groups
            place = index - (groups - count if camera else 0)
            height = heights[int((place + self.random.random()) / count * len(heights))]  # small and large ones
            width = 16 * round(height * self.random.uniform(0.69, 0.74) / 16)
            if camera:
                x, part_chars = self._photographed(x, part_chars, height, width, strength)
            else:
                x, part_chars = self._margins(x, part_chars, height, width)
            x = self._light(x, strength if camera else 0.0)
            x = self._stored(x)
            rows, columns = served_weights(*x.shape[2:], c.longest_edge, c.image_size, self.device, self.dtype)
            x = rows @ x @ columns.T
            if camera and turned > 0:  # a square tile: turned, it is what the turned picture gives
                x, part_chars = self._turned(x, part_chars, turned)
            pixels.append(x)
            moved.append(part_chars)
        return torch.cat(pixels), torch.cat(moved)

    def _turned(self, x: Tensor, chars: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The first of a batch's pictures turned, half of them by two quarters, the others by one or three; every one
        keeps its place, at which its answer stands."""
        parts, at = [], 0
        for turns, part in ((1, 0.25), (2, 0.5), (3, 0.25)):
            chosen = slice(at, at := at + int(len(x) * share * part + self.random.random()))
            parts.append(quarter_turns(x[chosen], chars[chosen], turns))
        parts.append((x[at:], chars[at:]))
        return torch.cat([p for p, _ in parts]), torch.cat([c for _, c in parts])

    def _printed(self, x: Tensor) -> Tensor:
        """Colours out of register by a pixel, ink spread, a halftone; each on a part of the pictures."""
        planes = list(x.unbind(1))
        for colour in (0, 2):
            if self.random.random() < 0.4:
                shift = (self.random.randint(-1, 1), self.random.randint(-1, 1))
                planes[colour] = planes[colour].roll(shift, (1, 2))
        b = len(x)
        bounds = ((0.2, 0.46), (0.0, math.pi), (0, 1), (0, 1), (6, 18), (-0.4, 0.75), (-0.3, 1.0))
        screens = self.draws(3 * b, *bounds).view(b, 3, 7)
        screens[..., 0] = screens[:, :1, 0] * self.draws(b, *((0.97, 1.03),) * 3)  # one press, three plates
        screens[..., 4:] = screens[:, :1, 4:].clamp(min=0)
        spread = self.uniform(b, -0.35, 0.7)
        return self._screened(torch.stack(planes, 1), screens, spread)

    def _margins(self, x: Tensor, chars: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        b, variants = len(x), min(len(x), MARGIN_VARIANTS)
        ground = self.uniform(3 * b, 0, 255).view(-1, 3, 1, 1).to(self.dtype)
        sides = self.uniform(4 * variants, -0.012, 0.04).view(4, variants)
        left, right, top, bottom = torch.where(sides.abs() < 0.006, torch.zeros_like(sides), sides)
        share_x, share_y = 1 / (1 + left + right), 1 / (1 + top + bottom)
        offset_x, offset_y = left * share_x, top * share_y
        rows, cover_y = self._margin_weights(x.shape[2], height, share_y, offset_y)
        columns, cover_x = self._margin_weights(x.shape[3], width, share_x, offset_x)
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
        return torch.addcmul(x, ground, 1 - cover), chars

    def _photographed(
        self, x: Tensor, chars: Tensor, height: int, width: int, strength: float
    ) -> tuple[Tensor, Tensor]:
        """The card, or the card in a sleeve, on a table, seen by a hand-held camera (as camera.py's)."""
        b = len(x)
        sleeve = self.draws(b, (0, 1), (0.0, 0.028), (0.0, 0.028), (0.0, 0.04), (0.0, 0.02))
        has = (sleeve[:, :1] < 0.35 * strength).float()
        left, right, above, below = (sleeve[:, 1:] * has).unbind(1)
        span = torch.stack([-left, -above, 1 + left + right, 1 + above + below], 1)
        margin, turn = (strength * self.draws(b, (0.0, 0.13), (-0.095, 0.095))).unbind(1)
        scale = (1 / (1 + 2 * margin))[:, None]
        bend = strength * self.uniform(8 * b, -0.038, 0.038).view(2, b, 4)
        cos, sin, aspect = turn.cos()[:, None], turn.sin()[:, None], height / width
        cx, cy = self._corners
        matrix = square_to_quad(
            0.5 + scale * (cx * cos - cy * sin * aspect + bend[0]),
            0.5 + scale * (cx * sin / aspect + cy * cos + bend[1]),
        )
        inverse = _inverse(matrix)
        # Of the card's own pixels the photo keeps what its size can hold, or fewer.
        share = self.random.uniform(0.6, 1) if self.random.random() < 0.4 else 1.0
        fits = [max(share * 0.9 * m, 370 * m / height) for m in (height, width)]
        size = [min(n, 32 * round(m / 32)) for n, m in zip(x.shape[2:], fits)]
        if size[0] < x.shape[2]:
            rows = _reducing(x.shape[2], size[0], self.device, self.dtype)
            x = rows @ x @ _reducing(x.shape[3], size[1], self.device, self.dtype).T
        grid = self._sampling_grid(inverse, span, height, width)
        warped = F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False)
        cloth = torch.randn(b, 1, 24, 18, device=self.device, generator=self.generator) * 14
        table = self.uniform(3 * b, 0, 255).view(b, 3, 1, 1) + F.interpolate(cloth, (height, width), mode="bilinear")
        strips = ((-0.1, 0.22), (0.02, 0.12), (-0.3, 1.3), (-0.6, 0.6))
        back, scratch = ((0.06, 0.3), (185, 240), (0.02, 0.11)), ((-0.2, 0.25), (-3, 3), (-2, 3))
        film = self.draws(b, *back, *strips, *strips, *scratch)
        film = torch.where(has > 0, torch.maximum(film, self._film_lowest), 0.0)
        x = self._laid_down(warped, inverse, span, table, film, self.dtype)
        sigma = self.draws(b, (0.15, 0.25 + strength * height / 1000), (0.75, 1.3))
        sharp = self.draws(b, (-3.0, 0.7)).clamp(min=0) * strength
        kernels = []
        for wide in (sigma[:, :1], sigma[:, :1] * sigma[:, 1:]):
            kernel = torch.exp(-(self._taps**2) / (2 * torch.where(sharp > 0, 1.1, wide) ** 2))
            kernel = kernel / kernel.sum(1, keepdim=True)
            kernels.append(torch.where(sharp > 0, (1 + sharp) * (self._taps == 0) - sharp * kernel, kernel))
        x = self._blurred(x, *kernels)
        left, top, width_, height_ = span.T[..., None]
        points = torch.stack([(chars[..., 1] - left) / width_, (chars[..., 2] - top) / height_], -1)
        points = torch.cat([points, torch.ones_like(points[..., :1])], -1) @ matrix.transpose(1, 2)
        return x, torch.cat([chars[..., :1], points[..., :2] / points[..., 2:]], -1)

    def _light(self, x: Tensor, strength: float) -> Tensor:
        """Uneven light and glare (with strength), colours, now and then a strong turn of hue, and noise."""
        b = len(x)
        high = 6.0 if strength else 3.0
        light = self.draws(
            b, (-0.3, 0.3), (-0.3, 0.3), (0, 1), (0, 1), (-150, 90), (0.05, 0.2), (-14, 14), (-high, high)
        )  # fmt: skip
        if not strength:
            light[:, :2] = 0
        light[:, 4] = light[:, 4].clamp(min=0) * strength
        light[:, 7].clamp_(min=0)
        turn = torch.randn(b, 3, 3, device=self.device, generator=self.generator)
        drawn = self.draws(b, (0, 1), (0.85 - 0.07 * strength, 1.12))[:, :, None, None]
        matrix = torch.eye(3, device=self.device) + turn * torch.where(drawn[:, 0] < 0.3, 0.25, 0.03)
        matrix = matrix / matrix.sum(2, keepdim=True).clamp(min=0.5) * drawn[:, 1]
        noise = torch.randn(x.shape, device=self.device, generator=self.generator, dtype=x.dtype)
        return self._exposed(x, light, matrix, noise)

    def _stored(self, x: Tensor) -> Tensor:
        """Faults of JPEG, WebP or both, one after the other."""
        drawn = self.random.random()
        if drawn < 0.65:
            quality = self.uniform(len(x), 50.0, 97.0)[:, None]
            luma = (_luma(x.device) * (200 - 2 * quality) / 100).clamp(min=1)
            x = self._coded_by_8(x, luma, (luma * 1.4).clamp(max=255), _dct(8, x.device, x.dtype))
        if drawn > 0.35:
            step = self.uniform(len(x), 4.0, 22.0)[:, None].expand(-1, 16)
            x = self._coded_by_4(x, step, step, _dct(4, x.device, x.dtype))
        return x


@lru_cache(maxsize=None)
def _reducing(n: int, m: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(pillow_weights(n, m), device=device, dtype=dtype)


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
