"""Traces modules and checks that the TorchScript result works for any size, dtype and device."""

import warnings

import torch

from .errors import ExportError

# TorchScript modules that create tensors create them on the CPU, regardless of the weights' device.
MAKERS = "arange empty eye full linspace logspace ones rand randn scalar_tensor tensor tril_indices zeros"
FACTORIES = {f"aten::{name}" for name in MAKERS.split()}
RELATIVE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-2, torch.bfloat16: 2e-1}


def trace(module, examples, name):
    """Traces `module` at sizes chosen by the caller so that no size becomes a constant."""
    module.eval().requires_grad_(False)
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns about sizes, which compare() checks
        module = torch.jit.trace(module, examples, check_trace=False)
    refuse_constants(module, name)
    return module


def _nodes(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def graph_of(module):
    graph = module.graph.copy()
    torch._C._jit_pass_inline(graph)
    return graph


def operators(module):
    """The names of the operators used by the TorchScript module."""
    return {node.kind() for node in _nodes(graph_of(module))}


def refuse_constants(module, name):
    """Fails if the graph contains a device or creates tensors."""
    for node in _nodes(graph_of(module)):
        value = node.output().toIValue() if node.kind() == "prim::Constant" else None
        if isinstance(value, torch.device):
            raise ExportError(f"{name}: the traced module is bound to a device: {str(node).strip()}")
        if isinstance(value, torch.Tensor) and value.dim():
            raise ExportError(f"{name}: the traced module contains a constant tensor, which casts and moves do not affect")
        if node.kind() in FACTORIES:
            raise ExportError(f"{name}: the traced module creates tensors on the CPU ({node.kind()})")


def compare(module, reference, inputs, name, dtype=torch.float32, device="cpu", tolerance=None):
    """Runs the module in `dtype` on `inputs` (float32) and compares the result with the reference. Returns the error.

    The timestep, input 1 of a denoiser, is the only floating-point input of one dimension and stays float32.
    """
    tolerance = tolerance or RELATIVE_TOLERANCE[dtype]
    placed = [x.to(device, dtype) if x.is_floating_point() and x.ndim > 1 else x.to(device) for x in inputs]
    sizes = ", ".join("x".join(map(str, x.shape)) for x in inputs)
    where = f"{name} as {str(dtype).removeprefix('torch.')} on {device} with inputs {sizes}"
    try:
        # The optimizing executor would spend more time on specializing a module than on running it.
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            result = module(*placed)
    except RuntimeError as error:
        cause = [line for line in str(error).splitlines() if line.strip()][-1]
        raise ExportError(f"{where}: the traced module fails: {cause}") from None
    if result.shape != reference.shape or result.dtype != dtype:
        raise ExportError(f"{where}: expected {tuple(reference.shape)}, found {tuple(result.shape)} {result.dtype}")
    error = (result.float().cpu() - reference).abs().max() / reference.abs().max().clamp_min(1e-12)
    if not torch.isfinite(result).all():
        if dtype != torch.float16:
            raise ExportError(f"{where}: the result is not finite")
        return float("inf")  # some autoencoders overflow float16; fmboost then computes in float32
    if error > tolerance:
        raise ExportError(f"{where}: the error is {error:.2g} of the largest value, the limit is {tolerance:.2g}")
    return float(error)


def devices():
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
