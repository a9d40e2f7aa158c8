"""What a hand-held camera does to a picture of a card (for the camera split)."""

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageFilter


def _homography(rng: Random, w: int, h: int) -> tuple[tuple[int, int], list[float]]:
    """A photo size and Pillow's eight perspective coefficients (photo -> card)."""
    margin = rng.uniform(0.04, 0.12)
    size = (round(w * (1 + 2 * margin)), round(h * (1 + 2 * margin)))
    turn, bend = math.radians(rng.uniform(-5, 5)), 0.035
    corners = [(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]
    rows, right = [], []
    for x, y in corners:
        px = x * math.cos(turn) - y * math.sin(turn) + size[0] / 2 + rng.uniform(-bend, bend) * w
        py = x * math.sin(turn) + y * math.cos(turn) + size[1] / 2 + rng.uniform(-bend, bend) * h
        sx, sy = x + w / 2, y + h / 2
        rows.append([px, py, 1, 0, 0, 0, -sx * px, -sx * py])
        rows.append([0, 0, 0, px, py, 1, -sy * px, -sy * py])
        right += [sx, sy]
    return size, np.linalg.solve(np.array(rows), np.array(right)).tolist()


def photograph(image: Image.Image, rng: Random) -> Image.Image:
    """Perspective, a table under the card, uneven light, glare, blur, noise and JPEG."""
    size, coefficients = _homography(rng, *image.size)
    noise = np.random.default_rng(rng.getrandbits(32))
    table = noise.integers(30, 200, 3) + noise.normal(0, 12, (24, 18, 1))
    ground = Image.fromarray(np.clip(table, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    bicubic, perspective = Image.Resampling.BICUBIC, Image.Transform.PERSPECTIVE
    card = image.transform(size, perspective, coefficients, bicubic)
    cover = Image.new("L", image.size, 255).transform(size, perspective, coefficients, bicubic)
    ground.paste(card, mask=cover)
    ground = ground.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.0009) * size[1]))
    pixels = np.asarray(ground, np.float32)
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    x, y = x / size[0], y / size[1]
    angle = rng.uniform(0, 2 * math.pi)
    light = 1 + rng.uniform(0, 0.3) * ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle))
    glare = 0.0
    if rng.random() < 0.35:
        spread = rng.uniform(0.05, 0.2)
        distance = ((x - rng.random()) ** 2 + (y - rng.random()) ** 2) / spread**2
        glare = rng.uniform(20, 90) * np.exp(-distance)[..., None]
    pixels = pixels * light[..., None] * rng.uniform(0.8, 1.1) * np.float32([rng.uniform(0.93, 1.05) for _ in range(3)])
    pixels = pixels + glare + noise.normal(0, rng.uniform(0, 6), pixels.shape)
    packed = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=rng.randint(60, 92))
    return Image.open(packed).convert("RGB")
