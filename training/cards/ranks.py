"""Training on several devices at once: one process a device, each with cards of its own.

The processes are told apart by RANK and WORLD_SIZE, meet at MASTER_ADDR:MASTER_PORT
(torchrun's variables; none of them set: one process), and see one GPU each
(CUDA_VISIBLE_DEVICES). Gradients are averaged in one flat reduction after the backward
pass, so that compiled layers need no wrapper. The clock is rank 0's: it says how far
training is, and when it ends.
"""

import os
import sys
import time
import traceback
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(seconds=240)  # one rank evaluates or compiles while the others wait
CLOCK_STEPS = 8  # steps between two readings of rank 0's clock


class Ranks:
    """This process's place among all. With one process every method returns at once."""

    def __init__(self) -> None:
        self.rank, self.count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.first = self.rank == 0
        self._store: dist.TCPStore | None = None
        self._share = 0.0

    def join(self, device: torch.device) -> None:
        """Meets the others. Call after the render processes were forked."""
        if self.count == 1:
            return
        sys.excepthook = _give_up
        address, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ["MASTER_PORT"])
        self._store = dist.TCPStore(address, port, self.count, self.first, PATIENCE)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=self._store, rank=self.rank, world_size=self.count, timeout=PATIENCE)

    def same(self, tensors: list[Tensor]) -> None:
        """Gives every rank rank 0's values."""
        if self.count > 1:
            with torch.no_grad():
                for kind in {t.dtype for t in tensors}:
                    part = [t for t in tensors if t.dtype == kind]
                    flat = torch.cat([t.detach().reshape(-1) for t in part])
                    dist.broadcast(flat, 0)
                    for tensor, values in zip(part, flat.split([t.numel() for t in part])):
                        tensor.copy_(values.view_as(tensor))

    def gathered(self, parameters: list[Tensor]) -> Tensor | None:
        """All gradients in one row; None with one process."""
        return torch.cat([p.grad.reshape(-1) for p in parameters]) if self.count > 1 else None

    def reduce(self, flat: Tensor | None) -> None:
        """Sums gathered gradients over the ranks, in place."""
        if flat is not None:
            dist.all_reduce(flat)

    def spread(self, flat: Tensor | None, parameters: list[Tensor]) -> None:
        """Gives every parameter its part of a sum over the ranks, divided by their number."""
        if flat is not None:
            flat /= self.count
            for p, values in zip(parameters, flat.split([p.numel() for p in parameters])):
                p.grad = values.view_as(p)

    def share(self, step: int, mine: float) -> float:
        """How much of the time is gone, the same on every rank: what rank 0 read at most 8 steps ago."""
        if self.count == 1:
            return mine
        if step % CLOCK_STEPS == 0:
            if self.first:
                self._store.set(f"share/{step}", repr(mine))
            self._share = float(self._store.get(f"share/{step}"))
        return self._share

    def leave(self) -> None:
        """Ends the process when rank 0 calls it too. Without a farewell: that of the connection can wait for ever."""
        if self.count == 1:
            return
        if self.first:
            self._store.set("finished", "1")
            time.sleep(2)
        else:
            try:
                self._store.wait(["finished"], timedelta(minutes=10))
            except RuntimeError:
                pass  # rank 0, which holds the store, is gone
        sys.stdout.flush()
        os._exit(0)


def _give_up(kind: type, error: BaseException, trace) -> None:
    """Ends a process that failed at once, so that its partner does not wait for it."""
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)
