"""The checks of tests.sh: what must hold of the training code, without a GPU."""

from random import Random

import torch

import fields
from augment import Augmenter
from content import draw_content
from layouts import random_layout
from model import Config
from words import hashed
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


def every_training_card_fits_an_answer_and_keeps_to_its_side() -> None:
    """An answer that is cut off, or a held-out word in a name, would teach or measure something else."""
    rng = Random(1)
    for _ in range(2000):
        truth = draw_content(rng, test=False).truth
        ids = fields.encode(fields.answer_text(truth)) + [fields.END_ID]
        assert len(ids) <= fields.MAX_ANSWER, truth
        held = draw_content(rng, test=True).truth
        words = (held["set_name"] or "").split()
        assert not words or any(hashed(word, 8) for word in words), held


def every_layout_of_the_grammar_places_each_element_once() -> None:
    """An element that stood twice would be printed twice, one that stood nowhere would be asked for in vain."""
    rng = Random(2)
    for _ in range(500):
        layout = random_layout(rng)
        placed = [name for sides in layout.rows.values() for side in sides for name in side]
        placed += [name for names in layout.stacks.values() for name in names]
        assert len(placed) == len(set(placed)), placed
        assert {"name", "hp", "collector_number", "set_name", "rarity", "stage"} <= set(placed), placed
        assert ("table" in layout.stacks) == ("table" in layout.order), layout


if __name__ == "__main__":
    torch.set_num_threads(1)
    for check in [value for name, value in list(globals().items()) if callable(value) and name.startswith("every")]:
        check()
        print(f"ok {check.__name__}")
