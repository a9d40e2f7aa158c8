"""Render processes and the pool of cards on the GPU.

Workers fill chunks of a block of shared memory; a thread copies finished chunks into a
ring of uint8 pictures on the device, from which training draws batches.
"""

import ctypes
import mmap
import multiprocessing as mp
import os
import queue
import threading
from pathlib import Path
from random import Random

import numpy as np
import torch

import fields
from render import MAX_CHARS, TRAIN_SIZE, Renderer

CHUNK = 32
W, H = TRAIN_SIZE


def _views(block: mmap.mmap, chunks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures `[k, 32, H, W, 3]` u8, chars `[k, 32, n, 3]` f32, answers `[k, 32, a]` i16."""
    pictures = chunks * CHUNK * H * W * 3
    chars = chunks * CHUNK * MAX_CHARS * 3
    a = np.frombuffer(block, np.uint8, pictures).reshape(chunks, CHUNK, H, W, 3)
    b = np.frombuffer(block, np.float32, chars, pictures).reshape(chunks, CHUNK, MAX_CHARS, 3)
    count = chunks * CHUNK * fields.MAX_ANSWER
    c = np.frombuffer(block, np.int16, count, pictures + 4 * chars)
    return a, b, c.reshape(chunks, CHUNK, fields.MAX_ANSWER)


def _block_size(chunks: int) -> int:
    return chunks * CHUNK * (H * W * 3 + MAX_CHARS * 12 + fields.MAX_ANSWER * 2)


def _work(renderer: Renderer, block: mmap.mmap, chunks: int, seed: str, free, ready) -> None:
    """A worker: renders chunks until its parent is gone."""
    os.nice(10)  # Whatever starts the GPU's work goes first.
    parent, rng = os.getppid(), Random(seed)
    pictures, chars, answers = _views(block, chunks)
    while os.getppid() == parent:
        try:
            chunk = free.get(timeout=2)
        except queue.Empty:
            continue
        for i in range(CHUNK):
            card = renderer.card(rng)
            pictures[chunk, i] = card.image
            chars[chunk, i, :, 0] = -1
            chars[chunk, i, : len(card.chars)] = card.chars
            ids = fields.encode(fields.answer_text(card.truth)) + [fields.END_ID]
            answers[chunk, i] = fields.PAD_ID
            answers[chunk, i, : len(ids)] = ids
        ready.put(chunk)


class Workers:
    """Render processes. Create before CUDA is touched: they are forked."""

    def __init__(self, fonts: Path, count: int, seed: int, chunks: int = 48, warm: int = 60) -> None:
        renderer = Renderer(fonts, test=False, reuse=64)
        rng = Random(f"{seed}/warm")
        for _ in range(warm):
            renderer.card(rng)
        context = mp.get_context("fork")
        self.block = mmap.mmap(-1, _block_size(chunks))
        self.chunks = chunks
        self.free, self.ready = context.Queue(), context.Queue()
        for chunk in range(chunks):
            self.free.put(chunk)
        self.processes = [
            context.Process(
                target=_work,
                args=(renderer, self.block, chunks, f"{seed}/{i}", self.free, self.ready),
                daemon=True,
            )
            for i in range(count)
        ]
        for process in self.processes:
            process.start()

    def stop(self) -> None:
        """Ends the processes."""
        for process in self.processes:
            process.terminate()


class CardPool:
    """The newest `capacity` cards on a device, filled by a thread of its own.

    Once full it takes no more until the first batch is drawn: compiling needs the cores meanwhile.
    """

    def __init__(self, workers: Workers, capacity: int, device: torch.device) -> None:
        self.workers, self.capacity, self.device = workers, capacity, device
        self.pictures = torch.zeros(capacity, H, W, 3, dtype=torch.uint8, device=device)
        self.chars = torch.zeros(capacity, MAX_CHARS, 3, device=device)
        self.answers = torch.zeros(capacity, fields.MAX_ANSWER, dtype=torch.long, device=device)
        self.received = 0
        self._views = _views(workers.block, workers.chunks)
        if device.type == "cuda":
            address = ctypes.addressof(ctypes.c_char.from_buffer(workers.block))
            torch.cuda.cudart().cudaHostRegister(address, len(workers.block), 0)
        self._stop, self._drawn = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        while not self._stop.is_set():
            if self.received >= self.capacity and not self._drawn.wait(timeout=1):
                continue
            try:
                chunk = self.workers.ready.get(timeout=1)
            except queue.Empty:
                continue
            at = self.received % self.capacity
            with torch.cuda.stream(stream):
                for store, view in zip((self.pictures, self.chars, self.answers), self._views):
                    store[at : at + CHUNK].copy_(torch.from_numpy(view[chunk]), non_blocking=True)
            if stream:
                stream.synchronize()
            self.workers.free.put(chunk)
            self.received += CHUNK

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Row numbers of random cards."""
        self._drawn.set()
        size = min(self.received, self.capacity)
        return torch.randint(size, (count,), device=self.device, generator=generator)

    def stop(self) -> None:
        """Ends the thread and the workers."""
        self._stop.set()
        self._thread.join()
        self.workers.stop()
