"""A scene: one pizza (its shape, sauce, toppings), what it lies on, its light and its camera. Its number gives all of it.

Pictures of one scene show the same pizza in several states and belong to one split.
"""

from dataclasses import asdict, dataclass

import numpy as np

import background

SPLITS = ("train", "val", "calibration", "test", "shifted")
SPAN = 1_000_000  # scene numbers of a split: split * SPAN and up

SAUCES = {  # raw, done
    "tomato": ((196, 52, 34), (158, 44, 22)),
    "dark tomato": ((165, 40, 32), (128, 34, 20)),
    "cream": ((238, 230, 212), (232, 212, 170)),
    "none": ((226, 208, 170), (206, 172, 112)),
}
SHIFTED_SAUCES = {"pesto": ((96, 130, 52), (84, 98, 40)), "barbecue": ((120, 58, 30), (98, 46, 24))}
TOPPINGS = {  # what it looks like, its size, raw, done
    "salami": ("disc", 0.125, (188, 62, 56), (150, 42, 30)),
    "ham": ("square", 0.09, (236, 158, 150), (206, 120, 98)),
    "mushroom": ("half", 0.10, (226, 210, 188), (176, 142, 104)),
    "olive": ("ring", 0.06, (52, 46, 44), (40, 34, 32)),
    "green pepper": ("strip", 0.12, (92, 150, 52), (96, 122, 42)),
    "yellow pepper": ("strip", 0.12, (240, 190, 40), (214, 154, 36)),
    "onion": ("ring", 0.11, (214, 178, 200), (180, 134, 122)),
    "basil": ("leaf", 0.10, (62, 128, 48), (56, 84, 30)),
    "tomato": ("disc", 0.105, (214, 58, 40), (184, 56, 30)),
    "sausage": ("lump", 0.07, (190, 128, 112), (124, 78, 50)),
    "mozzarella": ("disc", 0.11, (248, 244, 232), (242, 222, 172)),
}
SHIFTED_TOPPINGS = {
    "pineapple": ("square", 0.085, (246, 222, 96), (226, 178, 62)),
    "anchovy": ("strip", 0.13, (140, 112, 96), (104, 76, 58)),
    "spinach": ("lump", 0.10, (48, 100, 44), (40, 66, 30)),
    "egg": ("disc", 0.13, (250, 240, 215), (250, 205, 90)),
}


@dataclass(frozen=True)
class Topping:
    kind: str
    places: tuple[tuple[float, float, float, float], ...]  # radius (of the pizza's), angle, size, turn


@dataclass(frozen=True)
class Scene:
    number: int
    split: str
    ground: str
    things: int  # lying about
    radius: float
    waves: tuple[tuple[float, float], ...]  # of the outline: amplitude, phase
    rim: float  # where the rim begins, of the radius
    dough: tuple[float, float, float]  # a tint
    sauce: str
    cheese: float  # how much of it
    toppings: tuple[Topping, ...]
    light: tuple[float, float, float]  # white balance
    exposure: float
    slope: tuple[float, float]  # of the light across the picture
    contrast: float
    tilt: float
    turn: float
    blur: float
    grain: float
    quality: int
    size: tuple[int, int]  # width, height of the picture

    def identity(self) -> dict:
        """What makes it this scene, without its number."""
        out = asdict(self)
        del out["number"], out["split"]
        return out


def random_of(number: int, stream: int) -> np.random.Generator:
    """Scene `number`'s source of chance for one purpose."""
    return np.random.default_rng([4242, number, stream])


def split_of(number: int) -> str:
    return SPLITS[number // SPAN]


def first_of(split: str) -> int:
    return SPLITS.index(split) * SPAN


def draw(number: int) -> Scene:
    split = split_of(number)
    shifted = split == "shifted"
    random = random_of(number, 0)
    uniform = random.uniform
    grounds = background.SHIFTED if shifted else background.TRAINED
    sauces = list(SAUCES) + list(SHIFTED_SAUCES if shifted else ())
    weights = np.array([4, 2, 1, 1] + ([3, 3] if shifted else []), float)
    kinds = list(TOPPINGS) + list(SHIFTED_TOPPINGS) * (3 if shifted else 0)
    toppings = []
    for kind in random.permutation(np.unique(kinds))[: random.integers(0, 5)] if shifted else random.permutation(kinds)[: random.integers(0, 5)]:
        _, size, _, _ = (TOPPINGS | SHIFTED_TOPPINGS)[str(kind)]
        count = int(random.integers(4, 15) * min(1.5, 0.1 / size))
        places = tuple(
            (float(np.sqrt(uniform(0, 0.8))), float(uniform(0, 2 * np.pi)), float(size * uniform(0.75, 1.25)), float(uniform(0, 6.28)))
            for _ in range(count)
        )
        toppings.append(Topping(str(kind), places))
    warm = float(np.clip(random.normal(0, 0.07), -0.16, 0.16))  # bulbs to daylight
    hard = 1.6 if shifted else 1.0
    longest = int(random.integers(72, 145))
    aspect = uniform(0.72, 1)
    size = (longest, round(longest * aspect)) if random.random() < 0.7 else (round(longest * aspect), longest)
    return Scene(
        number=number,
        split=split,
        ground=str(grounds[random.integers(len(grounds))]),
        things=int(random.integers(0, 4)),
        radius=uniform(0.56, 0.84),
        waves=tuple((float(random.normal(0, 0.016)), float(uniform(0, 6.28))) for _ in range(5)),
        rim=uniform(0.78, 0.91),
        dough=tuple(float(v) for v in uniform(0.95, 1.04) * uniform(0.98, 1.02, 3)),
        sauce=str(random.choice(sauces, p=weights / weights.sum())),
        cheese=uniform(0.25, 1.0),
        toppings=tuple(toppings),
        light=(1 + warm, 1 + float(random.normal(0, 0.015)), 1 - warm * uniform(0.7, 1.4)),
        exposure=float(np.exp(random.normal(0, 0.13 * hard))),
        slope=tuple(float(v) for v in random.normal(0, 0.09 * hard, 2)),
        contrast=uniform(0.85, 1.15),
        tilt=float(abs(random.normal(0, 0.10 * hard))),
        turn=uniform(0, 2 * np.pi),
        blur=float(abs(random.normal(0, 0.8 * hard))),
        grain=float(abs(random.normal(0, 5 * hard))),
        quality=int(random.integers(45, 95)),
        size=size,
    )
