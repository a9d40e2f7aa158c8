"""Tesseract 5 in this process, through its C interface: no start of a program is in the times.

OMP_THREAD_LIMIT in the environment limits its threads; set it before the library is loaded.
"""

import ctypes
import ctypes.util
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps


@dataclass(frozen=True)
class Settings:
    """How a picture is given to Tesseract: what tune.py tries."""

    psm: int = 3
    height: int = 1400
    contrast: bool = False
    turns: bool = False


@dataclass(frozen=True)
class Word:
    """A word with its box in pixels of the scaled picture, the line it stands in, and Tesseract's confidence."""

    text: str
    left: int
    top: int
    width: int
    height: int
    line: tuple[int, ...]
    confidence: float

    @property
    def right(self) -> int:
        """The box's right edge."""
        return self.left + self.width


class Tesseract:
    """One engine with the English model."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("tesseract")
        if name is None:
            raise RuntimeError("libtesseract not found: apt-get install tesseract-ocr tesseract-ocr-eng")
        self._api = ctypes.CDLL(name)
        self._api.TessVersion.restype = ctypes.c_char_p
        self._api.TessBaseAPICreate.restype = ctypes.c_void_p
        self._api.TessBaseAPIGetTsvText.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._api.TessBaseAPICreate())
        if self._api.TessBaseAPIInit3(self._handle, None, b"eng") != 0:
            raise RuntimeError("Tesseract's English model does not load: apt-get install tesseract-ocr-eng")
        self.version = self._api.TessVersion().decode()

    def words(self, image: Image.Image, psm: int) -> list[Word]:
        """The words of an 8-bit grey picture."""
        self._api.TessBaseAPISetPageSegMode(self._handle, psm)
        self._api.TessBaseAPISetImage(self._handle, image.tobytes(), image.width, image.height, 1, image.width)
        self._api.TessBaseAPISetSourceResolution(self._handle, 300)
        if self._api.TessBaseAPIRecognize(self._handle, None) != 0:
            return []
        pointer = ctypes.c_void_p(self._api.TessBaseAPIGetTsvText(self._handle, 0))
        text = ctypes.string_at(pointer).decode("utf-8", "replace")
        self._api.TessDeleteText(pointer)
        found = []
        for row in text.splitlines():
            cells = row.split("\t")
            if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
                left, top, width, height = (int(v) for v in cells[6:10])
                line = tuple(int(v) for v in cells[1:5])
                found.append(Word(cells[11].strip(), left, top, width, height, line, float(cells[10])))
        return found

    def read(self, path: Path, settings: Settings) -> list[Word]:
        """The words of a picture file. With turns, the way up whose words it is surest of."""
        image = Image.open(path).convert("L")
        if settings.contrast:
            image = ImageOps.autocontrast(image, cutoff=1)
        best: list[Word] = []
        sum_best = -1.0
        lying = image.width > image.height
        for turn in ((90, 270) if lying else (0, 180)) if settings.turns else (0,):
            turned = image.rotate(turn, expand=True) if turn else image
            scale = settings.height / turned.height
            size = (round(turned.width * scale), settings.height)
            words = self.words(turned.resize(size, Image.Resampling.BICUBIC), settings.psm)
            total = sum(w.confidence * len(w.text) for w in words if w.confidence > 50)
            if total > sum_best:
                best, sum_best = words, total
        return best
