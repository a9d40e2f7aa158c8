"""The plane that scenes are painted on: float RGB [SIDE, SIDE, 3] in 0..255, coordinates X (right) and Y (down) in -1..1."""

import numpy as np
from PIL import Image

SIDE = 128
PIXEL = 2 / SIDE
_AXIS = ((np.arange(SIDE) + 0.5) * PIXEL - 1).astype(np.float32)
Y, X = (a.copy() for a in np.meshgrid(_AXIS, _AXIS, indexing="ij"))


def noise(random: np.random.Generator, cells: int, cells_y: int | None = None) -> np.ndarray:
    """Smooth noise of about unit deviation, float32 [SIDE, SIDE]; features are 2 / cells wide."""
    grid = random.standard_normal((cells_y or cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((SIDE, SIDE), Image.BICUBIC))


def step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blend(under: np.ndarray, over, alpha: np.ndarray) -> np.ndarray:
    """over (a colour or a picture) on under by alpha [h, w]."""
    a = alpha[..., None]
    return under + (np.asarray(over, np.float32) - under) * a


class Palette:
    """Colours along a scale from 0 to `top`, by a table."""

    STEPS = 256

    def __init__(self, top: float, *stops: tuple[float, tuple[int, int, int]]) -> None:
        self.top = top
        at = np.linspace(0, top, self.STEPS)
        places, colours = zip(*stops)
        self.table = np.stack([np.interp(at, places, [c[i] for c in colours]) for i in range(3)], 1).astype(np.float32)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        return self.table[np.clip(t * ((self.STEPS - 1) / self.top), 0, self.STEPS - 1).astype(np.int32)]


def window(cx: float, cy: float, reach: float):
    """The slices around a place, and the coordinates in them; None where it lies outside."""
    x0, x1 = int((cx - reach + 1) / PIXEL), int((cx + reach + 1) / PIXEL) + 2
    y0, y1 = int((cy - reach + 1) / PIXEL), int((cy + reach + 1) / PIXEL) + 2
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, SIDE), min(y1, SIDE)
    if x0 >= x1 or y0 >= y1:
        return None
    part = (slice(y0, y1), slice(x0, x1))
    return part, X[part] - cx, Y[part] - cy


def stamp(picture: np.ndarray, kind: str, cx: float, cy: float, size: float, angle: float, colour, alpha: float = 1) -> None:
    """Draws one small thing in place: disc, ring, strip, leaf, square, lump or half (a halved disc)."""
    found = window(cx, cy, size * 1.6)
    if found is None:
        return
    part, u, v = found
    c, s = np.cos(angle), np.sin(angle)
    p, q = (u * c + v * s) / size, (v * c - u * s) / size
    soft = 1.5 * PIXEL / size
    r = np.hypot(p, q)
    if kind == "disc":
        inside = step(1 - r, 0, soft)
    elif kind == "ring":
        inside = step(1 - r, 0, soft) * step(r, 0.45, 0.45 + soft)
    elif kind == "strip":
        inside = step(1 - np.abs(p + 0.3 * q * q), 0, soft) * step(0.28 - np.abs(q + 0.25 * p * p), 0, soft)
    elif kind == "leaf":
        inside = step(1 - np.hypot(p, q * (2.0 + p * 0.8)), 0, soft)
    elif kind == "square":
        inside = step(0.8 - np.maximum(np.abs(p), np.abs(q)), 0, soft)
    elif kind == "lump":
        inside = step(1 - r * (1 + 0.22 * np.sin(3 * np.arctan2(q, p) + angle * 5)), 0, soft)
    else:
        inside = step(1 - r, 0, soft) * step(q, -0.1, soft - 0.1)
    shade = 1.08 - 0.28 * np.clip(r, 0, 1) ** 3
    target = picture[part]
    picture[part] = target + (np.asarray(colour, np.float32) * shade[..., None] - target) * (inside * alpha)[..., None]
