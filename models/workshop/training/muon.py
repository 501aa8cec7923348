"""Muon (Jordan et al. 2024) for the matrices of a network, AdamW for the rest: needs fewer steps than AdamW alone.

Muon's update is the orthogonal matrix nearest to the momentum, approximated by five Newton-Schulz iterations; convolution
kernels are treated as matrices (outputs, rest). The scale 0.2 sqrt(longer side) makes updates as large as AdamW's (Liu et al.
2025, arXiv 2502.16982), so one learning rate serves both.
"""

import torch


def orthogonal(matrix, iterations=5):
    """(..., m, n) -> approximately U V^T of the singular value decomposition U S V^T: singular values near 1."""
    a, b, c = 3.4445, -4.7750, 2.0315  # Jordan's quintic polynomial
    x = matrix.mT if matrix.shape[-2] > matrix.shape[-1] else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if matrix.shape[-2] > matrix.shape[-1] else x


class MuonAdamW(torch.optim.Optimizer):
    """Optimizes the parameters of `module`. AdamW handles embeddings, parameters with fewer than two dimensions, and those
    whose names start with one of `outer`: the first and last layers of a network. On a GPU the learning rate is a tensor, so
    that a replayed step (replay.py) reads its current value."""

    def __init__(self, module, outer=(), momentum=0.95, betas=(0.9, 0.99), weight_decay=1e-3, lr=1e-3):
        tables = {id(m.weight) for m in module.modules() if isinstance(m, torch.nn.Embedding)}
        inner = lambda name, p: p.dim() in (2, 4) and id(p) not in tables and not name.startswith(tuple(outer))  # noqa: E731
        matrices = [p for name, p in module.named_parameters() if inner(name, p)]
        others = [p for name, p in module.named_parameters() if not inner(name, p)]
        on_gpu = others[0].is_cuda
        rate = torch.tensor(lr, device=others[0].device) if on_gpu else lr
        self.adam = torch.optim.AdamW(others, lr=rate, betas=betas, weight_decay=weight_decay, fused=True, capturable=on_gpu)
        super().__init__([{"params": matrices}], {"lr": rate, "momentum": momentum, "weight_decay": weight_decay})
        self.param_groups += self.adam.param_groups
        by_shape = {}
        for parameter in matrices:
            self.state[parameter]["momentum"] = torch.zeros_like(parameter)
            by_shape.setdefault(parameter.shape, []).append(parameter)
        self.alike = list(by_shape.values())  # batched by shape: a GPU is slow at many small products

    @torch.no_grad()
    def step(self):
        self.adam.step()
        group = self.param_groups[0]
        for parameters in self.alike:
            momenta, gradients = [self.state[p]["momentum"] for p in parameters], [p.grad for p in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            flat = torch.stack(torch._foreach_lerp(gradients, momenta, group["momentum"])).flatten(2)
            steps = orthogonal(flat) * (0.2 * max(flat.shape[1:]) ** 0.5) * group["lr"]
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_sub_(parameters, list(steps.view(-1, *parameters[0].shape)))

    def state_dict(self):
        return {"matrices": [self.state[p]["momentum"] for p in self.param_groups[0]["params"]], "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        for parameter, momentum in zip(self.param_groups[0]["params"], state["matrices"], strict=True):
            self.state[parameter]["momentum"].copy_(momentum)
        # These are not restored: on a GPU all groups share one tensor, and a checkpoint may come from a CPU.
        kept = [{name: group[name] for name in ("lr", "capturable")} for group in self.adam.param_groups]
        self.adam.load_state_dict(state["adam"])
        for group, of_device in zip(self.adam.param_groups, kept, strict=True):
            group.update(of_device)
        self.param_groups[1:] = self.adam.param_groups
