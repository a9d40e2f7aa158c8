"""What a press and a flatbed scanner do to a card: halftone, ink spread, paper, then optics, dust, moire, JPEG.

Everything is drawn from one `random.Random`; arrays are float32 in 0..1, pictures `[h, w, 3]`.
"""

import io
import math
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

MIN_CAP_PIXELS = 5.5
ANGLES = (15, 75, 0, 45)  # of the screens for cyan, magenta, yellow and black, in degrees
LIDS = ((250, 250, 249), (244, 245, 247), (22, 22, 24), (205, 205, 203), (128, 130, 132))


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur in 8 bits."""
    image = Image.fromarray((picture * 255 + 0.5).clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255


def _screen(shape: tuple[int, int], degrees: float, period: float, rng: Random) -> np.ndarray:
    """Thresholds `[h, w]` of a round-dot halftone screen."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    angle, k = math.radians(degrees), 2 * math.pi / period
    u = x * math.cos(angle) + y * math.sin(angle) + rng.uniform(0, period)
    v = -x * math.sin(angle) + y * math.cos(angle) + rng.uniform(0, period)
    return 0.5 + 0.25 * (np.cos(k * u) + np.cos(k * v))


def printed(picture: np.ndarray, rng: Random) -> np.ndarray:
    """The picture as ink on paper: four screened separations, a little out of register, spread, on tinted stock."""
    noise = np.random.default_rng(rng.getrandbits(32))
    h, w = picture.shape[:2]
    inks = 1 - picture
    black = inks.min(2) * rng.uniform(0.75, 1.0)
    black = np.where(black > 0.55, np.minimum(1, black * 1.15), black * 0.85)
    separations = [np.clip((inks[..., c] - black) / np.maximum(1 - black, 0.05), 0, 1) for c in range(3)] + [black]
    period, share = rng.uniform(2.6, 4.2), rng.uniform(0.25, 0.75)
    softness, gain = rng.uniform(4, 8), rng.uniform(0.82, 0.95)
    paper = np.float32([1.0, rng.uniform(0.975, 1), rng.uniform(0.92, 1)]) * rng.uniform(0.93, 1)
    result = np.broadcast_to(paper, picture.shape).astype(np.float32)
    tints = ((0.0, 0.62, 0.87), (0.88, 0.05, 0.5), (1.0, 0.93, 0.05), (0.1, 0.1, 0.11))
    sigma, misfit = rng.uniform(0.35, 0.8), rng.uniform(0, 0.9)
    for plate, angle, tint in zip(separations, ANGLES, tints):
        screen = _screen((h, w), angle + rng.uniform(-1, 1), period * rng.uniform(0.97, 1.03), rng)
        dots = 1 / (1 + np.exp(-softness * 2.5 * (plate - screen)))
        edges = np.clip((plate - 0.02) / 0.06, 0, 1) * np.clip(1 - (plate - 0.98) / 0.02, 0, 1)
        covered = plate**gain * (1 - share * edges) + dots * share * edges
        if misfit > 0.3 and tint != tints[3]:
            shift = (rng.uniform(-misfit, misfit), rng.uniform(-misfit, misfit))
            moved = Image.fromarray(covered.astype(np.float32))
            matrix = (1, 0, shift[0], 0, 1, shift[1])
            covered = np.asarray(moved.transform(moved.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
        covered = _blurred(np.clip(covered, 0, 1), sigma)[..., None]
        result = result * (1 - covered * (1 - np.float32(tint)))
    fibre = _blurred(noise.normal(0.5, 0.16, (h, w)).astype(np.float32).clip(0, 1), 1.2) - 0.5
    return np.clip(result + fibre[..., None] * rng.uniform(0.05, 0.25), 0, 1)


def _on_glass(card: np.ndarray, rng: Random, height: int) -> Image.Image:
    """The card, worn and slightly askew, under a scanner's lid; the card itself is `height` pixels tall."""
    image = Image.fromarray((card * 255).astype(np.uint8))
    w, h = image.size
    mask = Image.new("L", (w, h))
    ImageDraw.Draw(mask).rounded_rectangle((1, 1, w - 2, h - 2), rng.uniform(30, 50), fill=255)
    if rng.random() < 0.4:
        draw = ImageDraw.Draw(image)
        for _ in range(rng.randint(2, 14)):
            along, depth = rng.random(), rng.uniform(1, 5)
            x, y = rng.choice(((along * w, 0), (along * w, h), (0, along * h), (w, along * h)))
            draw.ellipse((x - 3 * depth, y - depth, x + 3 * depth, y + depth), fill=(238, 234, 226))
    scale, margin = height / h, rng.uniform(0.012, 0.05)
    size = (round(w * scale * (1 + 2 * margin)), round(h * scale * (1 + 2 * margin)))
    angle = math.radians(max(-2.2, min(2.2, rng.gauss(0, 0.8))))
    cx = size[0] / 2 + rng.uniform(-0.4, 0.4) * margin * w * scale
    cy = size[1] / 2 + rng.uniform(-0.4, 0.4) * margin * h * scale
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    matrix = (cos, sin, w / 2 - cos * cx - sin * cy, -sin, cos, h / 2 + sin * cx - cos * cy)
    optics = max(0.3, rng.uniform(0.3, 0.52) / scale)
    image = image.filter(ImageFilter.GaussianBlur(optics))
    bicubic = Image.Resampling.BICUBIC
    lid = Image.new("RGB", size, rng.choice(LIDS))
    cover = mask.transform(size, Image.Transform.AFFINE, matrix, bicubic)
    shade = Image.new("L", size)
    offset = round(rng.uniform(1, 0.008 * size[1] + 1))
    shade.paste(cover.point(lambda v: round(v * 0.45)), (rng.choice((-1, 1)) * offset, offset))
    lid.paste((0, 0, 0), mask=shade.filter(ImageFilter.GaussianBlur(offset)))
    lid.paste(image.transform(size, Image.Transform.AFFINE, matrix, bicubic), mask=cover)
    return lid


def _dust(image: Image.Image, rng: Random) -> None:
    """Specks, a few hairs and scratches on the glass, thinner than a letter's stroke is long."""
    draw = ImageDraw.Draw(image, "RGBA")
    w, h = image.size
    for _ in range(rng.choice((0, 4, 10, 30))):
        x, y, r = rng.random() * w, rng.random() * h, rng.uniform(0.0004, 0.0014) * h
        tone = rng.choice((30, 60, 235, 250))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(tone, tone, tone, rng.randint(90, 210)))
    for _ in range(rng.choice((0, 0, 1, 2))):
        x, y, turn, points = rng.random() * w, rng.random() * h, rng.uniform(0, 6.3), []
        for _ in range(rng.randint(6, 16)):
            points.append((x, y))
            turn += rng.uniform(-0.5, 0.5)
            x, y = x + math.cos(turn) * 0.008 * h, y + math.sin(turn) * 0.008 * h
        tone = rng.choice((40, 225))
        draw.line(points, fill=(tone, tone, tone, rng.randint(80, 170)), width=1)


def scanned(card: np.ndarray, cap: float, rng: Random) -> Image.Image:
    """A scan of a printed card whose smallest printed field has capitals `cap` pixels high in `card`."""
    height = round(math.exp(rng.uniform(math.log(400), math.log(840))))
    height = max(height, math.ceil(len(card) * MIN_CAP_PIXELS / cap))
    noise = np.random.default_rng(rng.getrandbits(32))
    image = _on_glass(printed(card.astype(np.float32) / 255, rng), rng, height)
    _dust(image, rng)
    pixels = np.asarray(image, np.float32)
    h, w = pixels.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    if rng.random() < 0.35:
        angle, period = rng.uniform(0, math.pi), rng.uniform(5, 22)
        across = x * math.cos(angle) + y * math.sin(angle)
        wave = np.sin(2 * math.pi / period * across + 2 * np.sin(y / rng.uniform(40, 160)))
        tint = np.float32([1, rng.uniform(-0.5, 1), rng.uniform(-1, 1)])
        pixels = pixels + rng.uniform(1.5, 5) * wave[..., None] * tint
    columns = noise.normal(0, rng.uniform(0, 0.008), (1, w, 1)).astype(np.float32)
    light = 1 + rng.uniform(-0.05, 0.05) * (x / w - 0.5)[..., None] + columns
    cast = np.float32([rng.uniform(0.96, 1.03) for _ in range(3)])
    pixels = 255 * np.clip(pixels * light * cast / 255, 0, 1) ** rng.uniform(0.82, 1.12)
    low, high = rng.uniform(0, 16), rng.uniform(236, 255)
    pixels = low + pixels * (high - low) / 255 + noise.normal(0, rng.uniform(0.3, 2.2), pixels.shape)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.75:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.6, 1.6), rng.randint(30, 130), rng.randint(0, 3)))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=rng.randint(62, 93))
    return Image.open(packed).convert("RGB")
