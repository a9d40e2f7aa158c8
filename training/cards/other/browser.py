"""Cards on a page, the page through headless Chromium: pictures, and what the page says about them."""

import html
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from other import invent
from other.page import HEIGHT, WIDTH, card_html

PIXELS_PER_CSS = 1.5
LEAST_CAP = 9.4  # CSS pixels; smaller print is drawn again with another arrangement
ATTEMPTS = 12
HERE = Path(__file__).resolve().parent


@dataclass
class Printed:
    """A card as sent to the printer: `[1320, 945, 3]` uint8; `cap` is the smallest field's capitals in its pixels."""

    image: np.ndarray
    truth: dict
    design: str
    cap: float


class Browser:
    """Draws cards by key. A card depends on its key, the fonts and Chromium's version alone."""

    def __init__(self, fonts: Path, program: str = "chromium") -> None:
        self.program = program
        self.faces: dict[str, list[Path]] = {}
        self.kinds: dict[str, list[str]] = {}
        for path in sorted(fonts.glob("*.otf")):
            kind, family, _ = path.name.split(".", 2)
            self.faces.setdefault(family, []).append(path)
            if family not in self.kinds.setdefault(kind, []):
                self.kinds[kind].append(family)
        if not self.faces:
            raise FileNotFoundError(f"no fonts in {fonts}: run training/cards/other/fonts.sh")

    def _page(self, cards: list[str], families: set[str]) -> str:
        faces = []
        for family in sorted(families):
            for weight, path in zip((400, 700), self.faces[family]):
                both = "400 700" if len(self.faces[family]) == 1 else weight
                even = "ascent-override:96%;descent-override:26%;line-gap-override:0%"
                source = f"font-family:'{family}';font-weight:{both};src:url('{path.as_uri()}')"
                faces.append(f"@font-face{{{source};{even}}}")
        css, script = (HERE / "cards.css").read_text(), (HERE / "fit.js").read_text()
        style = f"{''.join(faces)}\n{css}"
        return f'<meta charset="utf-8"><style>{style}</style><body>{"".join(cards)}<script>{script}</script></body>'

    def _sheet(self, cards: list[str], families: set[str]) -> tuple[np.ndarray, list[dict]]:
        """One run of Chromium: the picture of all cards, one under another, and the page's report on each."""
        with tempfile.TemporaryDirectory() as folder:
            page, shot = Path(folder) / "page.html", Path(folder) / "page.png"
            page.write_text(self._page(cards, families))
            command = [
                self.program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-lcd-text",
                "--font-render-hinting=none", "--force-color-profile=srgb", "--allow-file-access-from-files",
                f"--user-data-dir={folder}/profile", f"--force-device-scale-factor={PIXELS_PER_CSS}",
                f"--window-size={WIDTH},{HEIGHT * len(cards) + 200}", "--virtual-time-budget=20000",
                f"--screenshot={shot}", "--dump-dom", str(page),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            found = re.search(r'data-report="([^"]*)"', done.stdout)
            if found is None or not shot.exists():
                raise RuntimeError(f"{self.program} drew no page: {done.stderr[-2000:]}")
            return np.asarray(Image.open(shot).convert("RGB")), json.loads(html.unescape(found.group(1)))

    def cards(self, keys: list[str]) -> list[Printed]:
        """The cards of some keys, drawn on one sheet; an arrangement with a fault is replaced by the key's next."""
        done: dict[str, Printed] = {}
        for attempt in range(ATTEMPTS):
            left = [key for key in keys if key not in done]
            if not left:
                break
            drawn, families = [], set()
            for index, key in enumerate(left):
                rng = Random(f"{key}/{attempt}")
                said = invent.say(rng)
                markup, design, used = card_html(said, rng, str(index), self.kinds)
                drawn.append((key, said, design, markup))
                families |= used
            sheet, reports = self._sheet([markup for *_, markup in drawn], families)
            height = round(HEIGHT * PIXELS_PER_CSS)
            for index, ((key, said, design, _), report) in enumerate(zip(drawn, reports)):
                if not report["problems"] and report["cap"] >= LEAST_CAP:
                    image = sheet[index * height : (index + 1) * height]
                    done[key] = Printed(image.copy(), said.truth, design, report["cap"] * PIXELS_PER_CSS)
        missing = [key for key in keys if key not in done]
        if missing:
            raise RuntimeError(f"no arrangement without a fault in {ATTEMPTS} attempts: {', '.join(missing)}")
        return [done[key] for key in keys]
