"""Muon for matrices, batched over equal shapes (Jordan et al. 2024; Liu et al. 2025).

The momentum of each matrix is orthogonalised by a quintic Newton-Schulz iteration and
scaled by 0.2 sqrt(max(rows, columns)), so that one learning rate serves AdamW too.
"""

import torch
from torch import Tensor


def orthogonalise(m: Tensor, steps: int = 5) -> Tensor:
    """`[k, r, c]` -> nearly orthogonal matrices of the same shape, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = m.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon:
    """Nesterov momentum, orthogonalised updates, decoupled weight decay."""

    def __init__(self, parameters: list[Tensor], momentum: float = 0.95, decay: float = 0.05) -> None:
        self.momentum, self.decay = momentum, decay
        shapes: dict[tuple[int, ...], list[Tensor]] = {}
        for p in parameters:
            shapes.setdefault(tuple(p.shape), []).append(p)
        self.groups = [(ps, torch.zeros(len(ps), *shape, device=ps[0].device)) for shape, ps in shapes.items()]

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """One update with a learning rate: a number, or a tensor of one element on the parameters' device."""
        for parameters, buffer in self.groups:
            grads = torch.stack([p.grad for p in parameters])
            buffer.mul_(self.momentum).add_(grads)
            update = orthogonalise(grads + self.momentum * buffer).float()
            update.mul_(-0.2 * max(buffer.shape[1:]) ** 0.5 * rate)
            torch._foreach_mul_(parameters, 1 - rate * self.decay)
            torch._foreach_add_(parameters, list(update.unbind()))
