"""The checks of tests.sh: what must hold of the training code, without a GPU."""

import torch

from augment import Augmenter
from model import Config
from render import MAX_CHARS, TRAIN_SIZE


def every_picture_keeps_its_place_and_its_characters() -> None:
    """Answers are found by a picture's place in the batch: an augmentation that mixed places taught nonsense."""
    config, count, side = Config(), 8, 90
    width, height = TRAIN_SIZE
    generator = torch.Generator().manual_seed(1)
    pictures = torch.zeros(count, height, width, 3, dtype=torch.uint8)
    chars = torch.full((count, MAX_CHARS, 3), -1.0)
    for i in range(count):
        x = int(torch.randint(side, width - side, (1,), generator=generator))
        y = int(torch.randint(side, height - side, (1,), generator=generator))
        pictures[i, y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = 255
        chars[i, 0] = torch.tensor([float(i), x / width, y / height])
    for camera_groups, turned in ((0, 0.0), (2, 0.0), (2, 0.7), (1, 1.0)):
        augmenter = Augmenter(config, torch.device("cpu"), torch.float32, 5, camera_groups)
        pixels, moved = augmenter.batch(pictures, chars, 0.3, 2, turned)
        assert moved[:, 0, 0].tolist() == list(range(count)), (camera_groups, turned, moved[:, 0, 0].tolist())
        tile = pixels.shape[-1]
        for i in range(count):
            grey = pixels[i].mean(0)
            x, y = (moved[i, 0, 1:] * tile).long().clamp(0, tile - 1).tolist()
            there = grey[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9].mean()
            assert there > grey.median() + 30, (camera_groups, turned, i, float(there), float(grey.median()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for check in [value for name, value in list(globals().items()) if callable(value) and name.startswith("every")]:
        check()
        print(f"ok {check.__name__}")
