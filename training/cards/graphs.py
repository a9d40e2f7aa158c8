"""The update as CUDA graphs: recorded once, then started by two calls, so that the host is free to augment the next batch.

Starting an update's kernels one by one costs the host more time than the GPU takes to run them (LOG.md, runs 16 and 17).
Recorded are the losses with their backward pass, and the optimizers' step; between the two, gradients are summed over the ranks.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ranks import Ranks

WARM_UP = 3  # updates on a stream of their own, as recording asks for

Losses = tuple[Tensor, Tensor, Tensor]


class RecordedUpdate:
    """One update of `parameters`, recorded at the first call, for batches of the first call's shapes.

    backward(pixels, answers, targets, aux_weight) fills the gradients and returns the losses; optimise(rate) steps.
    """

    def __init__(
        self,
        backward: Callable[[Tensor, Tensor, Tensor, Tensor], Losses],
        optimise: Callable[[Tensor], None],
        parameters: list[Tensor],
        ranks: Ranks,
    ) -> None:
        self._backward, self._optimise, self._parameters, self._ranks = backward, optimise, parameters, ranks
        self._batch: list[Tensor] = []

    def __call__(
        self, pixels: Tensor, answers: Tensor, targets: Tensor, aux_weight: float, rate: float
    ) -> Losses:
        """The losses, which the next call overwrites."""
        if not self._batch:
            self._record(pixels, answers, targets)
        for kept, given in zip(self._batch, (pixels, answers, targets)):
            kept.copy_(given)
        self._aux_weight.fill_(aux_weight)
        self._rate.fill_(rate)
        self._passes[0].replay()
        self._ranks.reduce(self._flat)
        self._passes[1].replay()
        return self._losses

    def _record(self, *batch: Tensor) -> None:
        self._batch = [t.clone() for t in batch]
        self._aux_weight, self._rate = (torch.zeros((), device=batch[0].device) for _ in range(2))
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):  # at rate 0: what changes are the optimizers' moments
                self._first()
                self._ranks.reduce(self._flat)
                self._second()
        torch.cuda.current_stream().wait_stream(stream)
        self._passes = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        # The mode lets the thread that fills the pool go on meanwhile.
        with torch.cuda.graph(self._passes[0], capture_error_mode="thread_local"):
            self._first()
        with torch.cuda.graph(self._passes[1], pool=self._passes[0].pool(), capture_error_mode="thread_local"):
            self._second()

    def _first(self) -> None:
        for p in self._parameters:
            p.grad = None
        self._losses = self._backward(*self._batch, self._aux_weight)
        self._flat = self._ranks.gathered(self._parameters)

    def _second(self) -> None:
        self._ranks.spread(self._flat, self._parameters)
        self._optimise(self._rate)
