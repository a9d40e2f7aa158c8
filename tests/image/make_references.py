#!/usr/bin/env python3
"""Writes tests/data/image and the rest of tests/data/resize.

tests/data/image holds small picture files of every kind, and the pixels that Pillow reads from each: beside
every `NAME.jpg`, `.png` or `.webp` stands `NAME.ppm` with the RGB that Pillow's
ImageOps.exif_transpose(Image.open(file)).convert("RGB") gives. Exceptions are computed here: 16-bit grey, where
fovea keeps the high byte and Pillow clips, and kinds that Debian's old Pillow reads otherwise than newer ones.

tests/data/resize comes from the reference outputs, with three filters; this adds the other three.

Needs Debian's python3-pil and python3-numpy:  /usr/bin/python3 tests/image/make_references.py
"""

import io
import json
import pathlib
import struct
import sys
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
OUT = DATA / "image"
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def picture(width, height, channels, seed):
    """Smooth colours with some noise and one hard edge, so that chroma upsampling shows."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(channels):
        fx, fy, phase = rng.uniform(0.05, 0.5, 3)
        plane = 127 + 100 * np.sin(x * fx + y * fy + 9 * phase) + rng.normal(0, 9, (height, width))
        plane[(x > width // 2) & (y > height // 3)] -= 90
        planes.append(np.clip(plane, 0, 255))
    return np.stack(planes, -1).astype(np.uint8)


def save(name, data, expected=None):
    """Writes the file and what Pillow makes of it, or `expected` where it differs on purpose."""
    (OUT / name).write_bytes(data)
    if expected is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    height, width, _ = expected.shape
    header = b"P6 %d %d 255\n" % (width, height)
    (OUT / name).with_suffix(".ppm").write_bytes(header + np.ascontiguousarray(expected).tobytes())


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- PNG, written here because Pillow cannot write most kinds ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """Filtered scanlines; the filter type goes round so that all five occur."""
    height = samples.shape[0]
    rows = samples.reshape(height, -1)
    if depth == 16:
        packed = rows.astype(">u2").view(np.uint8)
    elif depth == 8:
        packed = rows.astype(np.uint8)
    else:
        bits = (rows[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step = max(1, (samples.shape[2] * depth) // 8)
    out = bytearray()
    above = np.zeros(packed.shape[1], np.int32)
    for index, row in enumerate(packed.astype(np.int32)):
        left = np.concatenate([np.zeros(step, np.int32), row[:-step]])[: len(row)]
        corner = np.concatenate([np.zeros(step, np.int32), above[:-step]])[: len(row)]
        estimate = left + above - corner
        pa, pb, pc = abs(estimate - left), abs(estimate - above), abs(estimate - corner)
        paeth = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, above, corner))
        guess = [0 * row, left, above, (left + above) // 2, paeth][index % 5]
        out += bytes([index % 5]) + ((row - guess) & 255).astype(np.uint8).tobytes()
        above = row
    return bytes(out)


def png(samples, depth, colour_type, interlaced=False, before=b"", after=b""):
    height, width, _ = samples.shape
    if interlaced:
        raw = b"".join(
            pack_rows(samples[y0::dy, x0::dx], depth)
            for x0, y0, dx, dy in ADAM7
            if x0 < width and y0 < height
        )
    else:
        raw = pack_rows(samples, depth)
    stream = zlib.compress(raw)
    half = len(stream) // 2
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before
        + chunk(b"IDAT", stream[:half]) + chunk(b"IDAT", stream[half:]) + after + chunk(b"IEND", b"")
    )


def make_pngs():
    rng = np.random.default_rng(1)
    width, height = 29, 19

    def levels(depth, channels=1):
        return rng.integers(0, 1 << depth, (height, width, channels))

    for interlaced in (False, True):
        suffix = "_interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8):
            save(f"png_grey{depth}{suffix}.png", png(levels(depth), depth, 0, interlaced))
            colours = picture(1 << depth, 1, 3, depth).tobytes()
            save(f"png_palette{depth}{suffix}.png",
                 png(levels(depth), depth, 3, interlaced, chunk(b"PLTE", colours)))
        grey16 = levels(16)
        save(f"png_grey16{suffix}.png", png(grey16, 16, 0, interlaced),
             np.repeat(grey16 >> 8, 3, axis=2).astype(np.uint8))
        for depth in (8, 16):
            save(f"png_greyalpha{depth}{suffix}.png", png(levels(depth, 2), depth, 4, interlaced))
            save(f"png_rgb{depth}{suffix}.png", png(levels(depth, 3), depth, 2, interlaced))
            save(f"png_rgba{depth}{suffix}.png", png(levels(depth, 4), depth, 6, interlaced))

    palette = chunk(b"PLTE", picture(16, 1, 3, 7).tobytes())
    save("png_palette4_transparent_index.png",
         png(levels(4), 4, 3, False, palette + chunk(b"tRNS", b"\xff\xff\x00")))
    save("png_palette4_transparent_bytes.png",
         png(levels(4), 4, 3, False, palette + chunk(b"tRNS", bytes(range(0, 256, 16)))))
    # An index without a palette entry is black since Pillow 9.5; before, it was that grey.
    indices, colours = levels(8), picture(100, 1, 3, 8)[0]
    save("png_palette8_index_beyond.png", png(indices, 8, 3, False, chunk(b"PLTE", colours.tobytes())),
         np.concatenate([colours, np.zeros((156, 3), np.uint8)])[indices[..., 0]])
    save("png_grey2_transparent.png", png(levels(2), 2, 0, False, chunk(b"tRNS", b"\0\1")))
    save("png_grey8_transparent.png", png(levels(8), 8, 0, False, chunk(b"tRNS", b"\0\x80")))
    rgb = levels(8, 3)
    rgb[::2] = (10, 20, 30)
    save("png_rgb8_transparent.png", png(rgb, 8, 2, False, chunk(b"tRNS", b"\0\x0a\0\x14\0\x1e")))
    save("png_1x1.png", png(levels(8, 3)[:1, :1], 8, 2))
    save("png_3x2_interlaced.png", png(levels(8, 3)[:2, :3], 8, 2, True))
    for orientation in range(1, 9):
        exif = chunk(b"eXIf", tiff(orientation, ">"))
        where = {"before": exif} if orientation % 2 else {"after": exif}
        save(f"png_orientation{orientation}.png", png(levels(8, 3), 8, 2, **where))


# ---- EXIF ----


def tiff(orientation, order):
    """The least EXIF block: one directory with ResolutionUnit, Orientation and no next directory."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    entries += struct.pack(order + "HHIHH", 0x0128, 3, 1, 2, 0)
    return mark + struct.pack(order + "IH", 8, 2) + entries + struct.pack(order + "I", 0)


# ---- JPEG ----


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def adobe(transform):
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def without(jpeg, marker):
    """The file without its segments of this marker."""
    at, out = 2, bytearray(jpeg[:2])
    while jpeg[at + 1] != 0xDA:
        size = 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] != marker:
            out += jpeg[at : at + size]
        at += size
    return bytes(out) + jpeg[at:]


def after_start(jpeg, data):
    return jpeg[:2] + data + jpeg[2:]


def make_jpegs():
    rgb = Image.fromarray(picture(45, 37, 3, 20))
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        for progressive in (False, True):
            save(f"jpeg_{name}{'_progressive' if progressive else ''}.jpg",
                 encode(rgb, "JPEG", quality=80, subsampling=subsampling, progressive=progressive))
    save("jpeg_low_quality.jpg", encode(rgb, "JPEG", quality=10))
    save("jpeg_grey.jpg", encode(Image.fromarray(picture(45, 37, 1, 21)[..., 0]), "JPEG", quality=85))
    save("jpeg_1x1.jpg", encode(rgb.crop((0, 0, 1, 1)), "JPEG"))
    ycc = encode(rgb, "JPEG", quality=85, subsampling=0)
    save("jpeg_adobe_rgb.jpg", after_start(without(ycc, 0xE0), adobe(0)))

    cmyk = encode(Image.fromarray(picture(45, 37, 4, 22), "CMYK"), "JPEG", quality=90)
    save("jpeg_cmyk_adobe.jpg", cmyk)
    save("jpeg_cmyk_plain.jpg", without(cmyk, 0xEE))
    save("jpeg_ycck_adobe.jpg", after_start(without(cmyk, 0xEE), adobe(2)))

    small = encode(Image.fromarray(picture(21, 13, 3, 23)), "JPEG", quality=85)
    for orientation in range(1, 9):
        order = "<" if orientation % 2 else ">"
        save(f"jpeg_orientation{orientation}.jpg",
             after_start(small, segment(0xE1, b"Exif\0\0" + tiff(orientation, order))))
    save("jpeg_orientation_impossible.jpg", after_start(small, segment(0xE1, b"Exif\0\0" + tiff(9, "<"))),
         np.asarray(Image.open(io.BytesIO(small)).convert("RGB")))
    broken = tiff(6, "<")[:4] + b"\xf0\xff\xff\xff" + tiff(6, "<")[8:]
    save("jpeg_exif_broken.jpg", after_start(small, segment(0xE1, b"Exif\0\0" + broken)),
         np.asarray(Image.open(io.BytesIO(small)).convert("RGB")))


# ---- WebP ----


def make_webps():
    rgb = Image.fromarray(picture(45, 37, 3, 30))
    rgba = Image.fromarray(picture(45, 37, 4, 31), "RGBA")
    save("webp_lossy.webp", encode(rgb, "WEBP", quality=80))
    save("webp_lossless.webp", encode(rgb, "WEBP", lossless=True))
    save("webp_lossy_alpha.webp", encode(rgba, "WEBP", quality=80))
    save("webp_lossless_alpha.webp", encode(rgba, "WEBP", lossless=True, exact=True))
    for orientation in (3, 6, 8):
        exif = (b"Exif\0\0" if orientation == 3 else b"") + tiff(orientation, ">")
        save(f"webp_orientation{orientation}.webp", encode(rgb, "WEBP", quality=70, exif=exif))
    frames = [Image.fromarray(picture(31, 23, 4, 40 + i), "RGBA") for i in range(3)]
    for name, lossless in (("lossy", False), ("lossless", True)):
        save(f"webp_animated_{name}.webp",
             encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=lossless, quality=75))
    # The first frame of this one covers a part of the canvas only.
    still = encode(Image.fromarray(picture(12, 9, 3, 50)), "WEBP", quality=80)
    fourcc_and_size = still[12:]

    def box(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def u24(value):
        return struct.pack("<I", value)[:3]

    frame = u24(4 // 2) + u24(6 // 2) + u24(12 - 1) + u24(9 - 1) + u24(100) + b"\0" + fourcc_and_size
    body = (b"WEBP" + box(b"VP8X", b"\x02\0\0\0" + u24(31 - 1) + u24(23 - 1))
            + box(b"ANIM", b"\xff\xff\xff\xff\0\0") + box(b"ANMF", frame))
    save("webp_animated_offset.webp", b"RIFF" + struct.pack("<I", len(body)) + body)


def make_resizes():
    folder = DATA / "resize"
    for case in json.loads((folder / "cases.json").read_text()):
        source = Image.open(folder / case["src"])
        width, height = case["to"]
        for name, code in (("nearest", 0), ("box", 4), ("hamming", 5)):
            file = case["src"].replace("src.png", f"{name}_{width}x{height}.png")
            source.resize((width, height), code).save(folder / file)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    make_pngs()
    make_jpegs()
    make_webps()
    make_resizes()
    files = list(OUT.iterdir())
    print(f"{len(files)} files, {sum(f.stat().st_size for f in files)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
