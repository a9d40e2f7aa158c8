"""Reads and writes single-file safetensors (f32 and bf16) with numpy-free PyTorch."""

import json
import struct
from pathlib import Path

import torch
from torch import Tensor

_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16"}


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes tensors in name order."""
    header: dict = {"__metadata__": {"format": "pt"}}
    payload, at = [], 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        raw = tensor.view(torch.int16 if tensor.dtype == torch.bfloat16 else torch.int32).numpy().tobytes()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(raw)],
        }
        payload.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(payload))


def load(path: Path) -> dict[str, Tensor]:
    """Reads every tensor as float32."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    types = {name: dtype for dtype, name in _NAMES.items()}
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        raw = torch.frombuffer(bytearray(data[start:end]), dtype=types[entry["dtype"]])
        tensors[name] = raw.view(entry["shape"]).float()
    return tensors
