"""What an update costs the host and the GPU."""

import time

import torch


class Clock:
    """Where steps FIRST to LAST spend their time: the host's and the device's, for augmentation and for the rest."""

    FIRST, LAST = 70, 170

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.host: list[float] = []
        self.events: list[torch.cuda.Event] = []

    def note(self, step: int) -> None:
        """Called before a step, between its augmentation and its update, and after it."""
        if not self.FIRST <= step < self.LAST:
            return
        self.host.append(time.perf_counter())
        if self.cuda:
            self.events.append(torch.cuda.Event(enable_timing=True))
            self.events[-1].record()

    def show(self, step: int) -> None:
        """Prints the averages once the last step is done."""
        if step != self.LAST:
            return
        steps = len(self.host) // 3
        for name, at in (("augmentation", 0), ("update", 1)):
            host = sum(self.host[3 * i + at + 1] - self.host[3 * i + at] for i in range(steps)) / steps
            line = f"{name}: the host started it in {1e3 * host:.1f} ms"
            if self.cuda:
                torch.cuda.synchronize()
                device = sum(self.events[3 * i + at].elapsed_time(self.events[3 * i + at + 1]) for i in range(steps))
                line += f", the GPU ended it {device / steps:.1f} ms after what was before it"
            print(line, flush=True)
