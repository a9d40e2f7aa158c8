"""What a hand-held camera does to a picture of a card (for the camera split).

Perspective, a table, a plastic sleeve, uneven light, glare, blur, low resolution, noise,
JPEG, and a picture that lies on its side or stands on its head. `cap` is the height in
pixels of the smallest capitals that a field is printed in: nothing here takes it below
MIN_CAP_PIXELS in the result.
"""

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

MIN_CAP_PIXELS = 5.5
SLEEVE_SHARE = 0.3
LOW_RESOLUTION_SHARE = 0.35
TURNED_SHARE = 0.3
TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
BICUBIC, PERSPECTIVE = Image.Resampling.BICUBIC, Image.Transform.PERSPECTIVE


def _homography(rng: Random, w: int, h: int, scale: float) -> tuple[tuple[int, int], list[float], float]:
    """A photo size, Pillow's eight perspective coefficients (photo -> card), the least scale of a side."""
    margin = rng.uniform(0.04, 0.12)
    w2, h2 = w * scale, h * scale
    size = (round(w2 * (1 + 2 * margin)), round(h2 * (1 + 2 * margin)))
    turn, bend = math.radians(rng.uniform(-5, 5)), 0.035
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    rows, right, placed = [], [], []
    for x, y in corners:
        px = x * w2 * math.cos(turn) - y * h2 * math.sin(turn) + size[0] / 2 + rng.uniform(-bend, bend) * w2
        py = x * w2 * math.sin(turn) + y * h2 * math.cos(turn) + size[1] / 2 + rng.uniform(-bend, bend) * h2
        sx, sy = (x + 0.5) * w, (y + 0.5) * h
        rows.append([px, py, 1, 0, 0, 0, -sx * px, -sx * py])
        rows.append([0, 0, 0, px, py, 1, -sy * px, -sy * py])
        right += [sx, sy]
        placed.append((px, py))
    lengths = [math.dist(placed[i], placed[(i + 1) % 4]) / (w, h)[i % 2] for i in range(4)]
    return size, np.linalg.solve(np.array(rows), np.array(right)).tolist(), min(lengths)


def _sleeve(card: Image.Image, rng: Random) -> Image.Image:
    """The card (RGBA) in a clear sleeve a little larger than itself: haze, edges, reflections, scratches."""
    w, h = card.size
    side, above = round(rng.uniform(0.01, 0.025) * w), round(rng.uniform(0.012, 0.05) * w)
    box = (w + 2 * side, h + side + above)
    film = Image.new("L", box, round(rng.uniform(6, 26)))
    draw = ImageDraw.Draw(film)
    for _ in range(rng.randint(1, 3)):
        x, wide, lean = rng.uniform(-0.2, 1) * box[0], rng.uniform(0.03, 0.22) * box[0], rng.uniform(-0.5, 0.5) * box[1]
        strip = [(x, 0), (x + wide, 0), (x + wide + lean, box[1]), (x + lean, box[1])]
        draw.polygon(strip, fill=round(rng.uniform(18, 62)))
    film = film.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.02) * w))
    draw = ImageDraw.Draw(film)
    for _ in range(rng.randint(0, 5)):
        x, y = rng.random() * box[0], rng.random() * box[1]
        angle, length = rng.uniform(0, 6.3), rng.uniform(0.05, 0.3) * w
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        draw.line([(x, y), end], fill=round(rng.uniform(40, 80)))
    line = max(1, round(0.004 * w))
    draw.rectangle((0, 0, box[0] - 1, box[1] - 1), outline=round(rng.uniform(80, 170)), width=line)
    ground = Image.new("RGBA", box, (rng.randint(190, 235),) * 3 + (rng.randint(20, 70),))
    ground.alpha_composite(card, (side, above))
    shine = Image.new("RGBA", box, (255, 255, 255, 255))
    shine.putalpha(film)
    ground.alpha_composite(shine)
    return ground


def _coarser(photo: Image.Image, rng: Random, cap: float) -> Image.Image:
    """Fewer pixels than the lens gave, as far as the small print allows; sometimes enlarged again afterwards."""
    least = min(1.0, MIN_CAP_PIXELS / cap)
    share = max(least, rng.uniform(least, 0.75 * least + 0.25))
    filters = (Image.Resampling.BILINEAR, BICUBIC)
    small = photo.resize([max(1, round(v * share)) for v in photo.size], rng.choice(filters))
    if rng.random() < 0.4:
        grow = rng.uniform(1.0, min(1.8, 1 / share))
        small = small.resize([round(v * grow) for v in small.size], rng.choice(filters))
    return small


def photograph(image: Image.Image, rng: Random, cap: float) -> Image.Image:
    """A photo of the card, whose smallest printed field has capitals `cap` pixels high."""
    noise = np.random.default_rng(rng.getrandbits(32))
    card = image.convert("RGBA")
    if rng.random() < SLEEVE_SHARE:
        card = _sleeve(card, rng)
    state = rng.getstate()
    size, coefficients, least = _homography(rng, *card.size, 1.0)
    if cap * least < MIN_CAP_PIXELS:  # the same view from nearer
        rng.setstate(state)
        size, coefficients, least = _homography(rng, *card.size, MIN_CAP_PIXELS / (cap * least))
    table = noise.integers(30, 200, 3) + noise.normal(0, 12, (24, 18, 1))
    ground = Image.fromarray(np.clip(table, 0, 255).astype(np.uint8)).resize(size, BICUBIC).convert("RGBA")
    ground.alpha_composite(card.transform(size, PERSPECTIVE, coefficients, BICUBIC))
    photo = ground.convert("RGB")
    if rng.random() < LOW_RESOLUTION_SHARE:
        photo = _coarser(photo, rng, cap * least)
    photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.0009) * photo.height))
    pixels = np.asarray(photo, np.float32)
    width, height = photo.size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width, y / height
    angle = rng.uniform(0, 2 * math.pi)
    light = 1 + rng.uniform(0, 0.3) * ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle))
    glare = 0.0
    if rng.random() < 0.35:
        spread = rng.uniform(0.05, 0.2)
        distance = ((x - rng.random()) ** 2 + (y - rng.random()) ** 2) / spread**2
        glare = rng.uniform(20, 90) * np.exp(-distance)[..., None]
    pixels = pixels * light[..., None] * rng.uniform(0.8, 1.1) * np.float32([rng.uniform(0.93, 1.05) for _ in range(3)])
    pixels = pixels + glare + noise.normal(0, rng.uniform(0, 6), pixels.shape)
    photo = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < TURNED_SHARE:
        photo = photo.transpose(rng.choice(TURNS))
    packed = io.BytesIO()
    photo.save(packed, "JPEG", quality=rng.randint(60, 92))
    return Image.open(packed).convert("RGB")
