"""Training steps that a GPU repeats by itself.

A step of a small network is some thousand kernels of a few microseconds; to call them from Python takes several times as long
as they take to run. A CUDA graph keeps the calls of one step and repeats them all at once.
"""

import torch

WARM_UPS = 3  # calls before the capture: compiling, choosing of kernels, an optimizer's first state


class Replay:
    """work(), called again and again. On a GPU its kernels are captured once and then replayed, so `work` must do the same with
    the same tensors each time, let the GPU draw all random numbers, and never wait for it; what it returns is overwritten by
    the next call."""

    def __init__(self, work, device):
        self.work, self.calls, self.graph, self.result = work, 0, None, None
        self.captures = torch.device(device).type == "cuda"

    def __call__(self):
        self.calls += 1
        if not self.captures:
            return self.work()
        if self.calls <= WARM_UPS:
            return self._beside(self.work)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = self.work()
        self.graph.replay()
        return self.result

    @staticmethod
    def _beside(work):
        """On a stream of its own, as a capture will be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = work()
        torch.cuda.current_stream().wait_stream(stream)
        return result
