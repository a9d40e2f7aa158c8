"""From a picture to the 48 x 48 bytes that the network sees: the one definition that training, server and device share.

The centred square of side S = min(w, h), left = (w - S) // 2, top = (h - S) // 2. Output (i, j) is the mean over the source rows
[i S // 48, max((i + 1) S // 48, i S // 48 + 1)) and the columns likewise, summed in integers, rounded half up.
The float input is (byte - 128) / 128, the int8 input byte - 128.
"""

import numpy as np
import torch
from torch import Tensor

from model import IMAGE_SIZE

CONFIG = {
    "image_processor_type": "MicroCnnImageProcessor",
    "crop": "center_square",
    "size": IMAGE_SIZE,
    "resample": "area",
    "offset": 128,
    "scale": 0.0078125,
}


def shrink(picture: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3] -> uint8 [48, 48, 3]."""
    height, width, _ = picture.shape
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture[top : top + side, left : left + side].astype(np.int64)
    at = np.arange(IMAGE_SIZE)
    start = at * side // IMAGE_SIZE
    end = np.maximum((at + 1) * side // IMAGE_SIZE, start + 1)
    sums = np.zeros((side + 1, side + 1, 3), np.int64)
    sums[1:, 1:] = square.cumsum(0).cumsum(1)
    total = sums[end][:, end] - sums[start][:, end] - sums[end][:, start] + sums[start][:, start]
    count = ((end - start)[:, None] * (end - start)[None, :])[:, :, None]
    return ((total + count // 2) // count).astype(np.uint8)


def widen565(words: np.ndarray) -> np.ndarray:
    """uint16 RGB565 [h, w] -> uint8 RGB [h, w, 3], low bits filled with the high ones."""
    red, green, blue = (words >> 11) & 31, (words >> 5) & 63, words & 31
    return np.stack([red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2], 2).astype(np.uint8)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 [N, 48, 48, 3] -> float [N, 3, 48, 48]."""
    return (pixels.permute(0, 3, 1, 2).float() - 128) / 128


def check() -> None:
    """Against the definition, pixel by pixel."""
    random = np.random.default_rng(1)
    for height, width in ((1, 1), (3, 2), (47, 53), (48, 48), (97, 200), (131, 49)):
        picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        found = shrink(picture)
        for i in range(IMAGE_SIZE):
            for j in range(0, IMAGE_SIZE, 5):
                y0, x0 = i * side // 48, j * side // 48
                y1, x1 = max((i + 1) * side // 48, y0 + 1), max((j + 1) * side // 48, x0 + 1)
                part = picture[top + y0 : top + y1, left + x0 : left + x1].reshape(-1, 3)
                expected = [(int(part[:, c].astype(int).sum()) + len(part) // 2) // len(part) for c in range(3)]
                assert found[i, j].tolist() == expected, (height, width, i, j)
    assert widen565(np.array([[0xFFFF, 0x8410]], np.uint16)).tolist() == [[[255, 255, 255], [132, 130, 132]]]
    grey = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert to_float(grey).flatten().tolist() == [-1, 0, 127 / 128]


if __name__ == "__main__":
    check()
    print("preprocess: as defined")
