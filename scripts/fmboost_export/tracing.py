"""Traces a module and proves that the program is what fmboost needs: free in size, dtype and device."""

import warnings

import torch

from .errors import ExportError

# Programs that make tensors of their own make them on the CPU, whatever device the weights are on.
MAKERS = "arange empty eye full linspace logspace ones rand randn scalar_tensor tensor tril_indices zeros"
FACTORIES = {f"aten::{name}" for name in MAKERS.split()}
RELATIVE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-2, torch.bfloat16: 2e-1}


def trace(module, examples, name):
    """A TorchScript program of `module`, recorded at sizes that leave nothing to chance (see the callers)."""
    module.eval().requires_grad_(False)
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about sizes: compare() checks those
        program = torch.jit.trace(module, examples, check_trace=False)
    refuse_constants(program, name)
    return program


def _nodes(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def graph_of(program):
    graph = program.graph.copy()
    torch._C._jit_pass_inline(graph)
    return graph


def operators(program):
    """The names of the operators that the program uses."""
    return {node.kind() for node in _nodes(graph_of(program))}


def refuse_constants(program, name):
    """Fails where the graph holds a device, or makes tensors on one of its own choice."""
    for node in _nodes(graph_of(program)):
        value = node.output().toIValue() if node.kind() == "prim::Constant" else None
        if isinstance(value, torch.device):
            raise ExportError(f"{name}: the traced program is bound to a device: {str(node).strip()}")
        if isinstance(value, torch.Tensor) and value.dim():
            raise ExportError(f"{name}: the traced program holds a tensor as a constant, which no cast or move reaches")
        if node.kind() in FACTORIES:
            raise ExportError(f"{name}: the traced program makes tensors on the CPU ({node.kind()})")


def compare(program, reference, inputs, name, dtype=torch.float32, device="cpu", tolerance=None):
    """Runs the program in `dtype` on `inputs` (float32) and compares with the reference result. Returns the error.

    The timestep, input 1 of a denoiser, is the only floating-point input of one dimension and stays float32.
    """
    tolerance = tolerance or RELATIVE_TOLERANCE[dtype]
    placed = [x.to(device, dtype) if x.is_floating_point() and x.ndim > 1 else x.to(device) for x in inputs]
    sizes = ", ".join("x".join(map(str, x.shape)) for x in inputs)
    where = f"{name} as {str(dtype).removeprefix('torch.')} on {device} with inputs {sizes}"
    try:
        # The optimizing executor would spend more time on specializing a program than on running it.
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            result = program(*placed)
    except RuntimeError as error:
        cause = [line for line in str(error).splitlines() if line.strip()][-1]
        raise ExportError(f"{where}: the traced program fails: {cause}") from None
    if result.shape != reference.shape or result.dtype != dtype:
        raise ExportError(f"{where}: expected {tuple(reference.shape)}, found {tuple(result.shape)} {result.dtype}")
    error = (result.float().cpu() - reference).abs().max() / reference.abs().max().clamp_min(1e-12)
    if not torch.isfinite(result).all():
        if dtype != torch.float16:
            raise ExportError(f"{where}: the result is not finite")
        return float("inf")  # some autoencoders overflow float16; fmboost then computes in float32
    if error > tolerance:
        raise ExportError(f"{where}: the error is {error:.2g} of the largest value, at most {tolerance:.2g} is allowed")
    return float(error)


def devices():
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
