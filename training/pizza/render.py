"""One picture of a scene: a pizza in a state, or something that is no pizza."""

import numpy as np
from PIL import Image

import background
import camera
import other
import pizza
from model import LABELS
from scene import Scene, draw, random_of

NOT_A_PIZZA = "not-a-pizza"


def photo(number: int, state: str) -> Image.Image:
    """The picture before compression. `state`: one of LABELS, or NOT_A_PIZZA."""
    scene = draw(number)
    return _photo(scene, state)


def _photo(scene: Scene, state: str) -> Image.Image:
    stream = 10 + (LABELS.index(state) if state in LABELS else 99)
    random = random_of(scene.number, stream)
    # The same ground in every picture of the scene.
    ground_random = random_of(scene.number, 1)
    ground = background.paint(scene.ground, ground_random)
    background.scatter(ground, ground_random, scene.things)
    if state in LABELS:
        plane = pizza.paint(scene, state, ground, random)
    else:
        plane = other.paint(other.kind_of(scene), ground, random)
    return camera.photograph(plane, scene, random)


def pixels(number: int, state: str) -> np.ndarray:
    """The picture as decoded after compression, uint8 [h, w, 3]."""
    scene = draw(number)
    return np.asarray(camera.compressed(_photo(scene, state), scene.quality))
