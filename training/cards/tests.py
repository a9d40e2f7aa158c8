"""The checks of tests.sh: what must hold of the training code, without a GPU."""

import queue
import time
from random import Random

import torch

import fields
from augment import Augmenter
from content import draw_content
from figures import one_apart, paired
from layouts import random_layout
from model import Config
from pool import CHUNK, CardPool, _block_size
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


def every_card_beyond_a_full_pool_waits_for_the_first_batch() -> None:
    """Cards that nothing draws yet would take the processors that compiling needs."""

    class Source:
        chunks = 4
        block = bytearray(_block_size(chunks))

        def __init__(self) -> None:
            self.free, self.ready = queue.Queue(), queue.Queue()
            for chunk in range(self.chunks):
                self.ready.put(chunk)

        def stop(self) -> None:
            pass

    def reached(count: int) -> bool:
        deadline = time.time() + 20
        while pool.received < count and time.time() < deadline:
            time.sleep(0.01)
        return pool.received >= count

    pool = CardPool(Source(), 2 * CHUNK, torch.device("cpu"))
    assert reached(2 * CHUNK)
    assert not pool.workers.ready.empty() and pool.received == 2 * CHUNK
    pool.sample(4, torch.Generator())
    assert reached(4 * CHUNK)
    pool.stop()


def every_paired_difference_has_its_sign_and_every_letter_its_pair() -> None:
    """Of 100 cards 80 were right before; nine were gained and one lost. Swapped, the interval is mirrored."""
    low, high = paired(9, 1, 80, 88, 100)
    assert 0.0 < low < 0.08 < high < 0.2, (low, high)
    back = paired(1, 9, 88, 80, 100)
    assert abs(back[0] + high) < 1e-9 and abs(back[1] + low) < 1e-9, back
    assert one_apart("Caim", "Calm") == ("i", "l") and one_apart("Cal", "Calm") is None and one_apart("Caxx", "Calm") is None


if __name__ == "__main__":
    torch.set_num_threads(1)
    for check in [value for name, value in list(globals().items()) if callable(value) and name.startswith("every")]:
        check()
        print(f"ok {check.__name__}")
