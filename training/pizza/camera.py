"""From a painted plane to a picture: where the camera stands, its light, lens, sensor and compression."""

import io

import numpy as np
from PIL import Image, ImageFilter

from canvas import SIDE
from scene import Scene


def _homography(corners: np.ndarray, width: int, height: int) -> list[float]:
    """The eight numbers with which PIL takes output pixels to the plane's `corners` (pixels, clockwise from top left)."""
    rows, right = [], []
    for (x, y), (u, v) in zip(((0, 0), (width, 0), (width, height), (0, height)), corners):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(right, float)).tolist()


def photograph(plane: np.ndarray, scene: Scene, random: np.random.Generator) -> Image.Image:
    """The plane as the scene's camera sees it; RGB of scene.size."""
    width, height = scene.size
    # The shorter side of the picture shows most of the plane.
    reach = random.uniform(0.78, 0.97)
    short = min(width, height)
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / short * reach
    a = random.uniform(0, 2 * np.pi)
    turned = corners @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    # Tilted towards `turn`: what is further away is smaller, so more of the plane fits there.
    far = turned @ np.array([np.cos(scene.turn), np.sin(scene.turn)])
    turned = turned * (1 + scene.tilt * far)[:, None]
    image = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
    # PIL repeats no edge: the plane gets a margin of its own edge pixels.
    margin = SIDE // 2
    image = Image.fromarray(np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), "reflect"))
    pixels = (turned + 1) * SIDE / 2 + margin
    double = (2 * width, 2 * height) if short < 110 else (width, height)  # against aliasing of small pictures
    image = image.transform(double, Image.PERSPECTIVE, _homography(pixels, *double), Image.BILINEAR)
    if double != (width, height):
        image = image.resize((width, height), Image.BOX)
    blur = scene.blur * short / 130
    if blur > 0.25:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    light = np.asarray(image, np.float32) / 255
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    fall = (1 + scene.slope[0] * x + scene.slope[1] * y) * (1 - 0.10 * (x * x + y * y) / 2) * scene.exposure
    light = light * fall[..., None] * np.float32(scene.light)
    if random.random() < 0.12:  # glare
        gx, gy = random.uniform(-0.8, 0.8, 2)
        light = light + (0.3 * np.exp(-(((x - gx) ** 2 + (y - gy) ** 2) / random.uniform(0.03, 0.2))))[..., None]
    light = 0.45 + (light - 0.45) * scene.contrast
    light = light + random.standard_normal(light.shape).astype(np.float32) * (scene.grain / 255)
    return Image.fromarray((np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")
