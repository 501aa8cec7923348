"""Training steps captured as CUDA graphs.

A training step of a small network runs about a thousand kernels of a few microseconds each; launching them from Python takes
several times as long as running them. A CUDA graph records the launches of one step and replays them together.
"""

import torch

WARM_UPS = 3  # calls before the capture: compilation, kernel selection, optimizer state


class Replay:
    """Calls work() repeatedly. On a GPU its kernels are captured once and then replayed, so `work` must perform the same
    operations on the same tensors each time, draw all random numbers on the GPU, and never synchronize. The next call
    overwrites its result."""

    def __init__(self, work, device):
        self.work, self.calls, self.graph, self.result = work, 0, None, None
        self.captures = torch.device(device).type == "cuda"

    def __call__(self):
        self.calls += 1
        if not self.captures:
            return self.work()
        if self.calls <= WARM_UPS:
            return self._on_side_stream(self.work)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = self.work()
        self.graph.replay()
        return self.result

    @staticmethod
    def _on_side_stream(work):
        """Runs work on a side stream, as the capture will."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = work()
        torch.cuda.current_stream().wait_stream(stream)
        return result
