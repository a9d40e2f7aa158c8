"""Reads and writes single-file safetensors of f32, u8, i32 and i64 tensors."""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_TYPES = {"F32": torch.float32, "U8": torch.uint8, "I32": torch.int32, "I64": torch.int64}
_NUMPY = {"F32": "<f4", "U8": "u1", "I32": "<i4", "I64": "<i8"}


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes tensors in name order, wider types first, so that each is aligned."""
    names = {dtype: name for name, dtype in _TYPES.items()}
    header: dict = {"__metadata__": {"format": "pt"}}
    payload, at = [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].element_size(), n)):
        tensor = tensors[name].detach().cpu().contiguous()
        dtype = names[tensor.dtype]
        raw = tensor.numpy().astype(_NUMPY[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        payload.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(payload))


def load(path: Path) -> dict[str, Tensor]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[start:end], _NUMPY[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy()).to(_TYPES[entry["dtype"]])
    return tensors
