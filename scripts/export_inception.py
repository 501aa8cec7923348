#!/usr/bin/env python3
"""Makes the network for `fmboost eval fid` from the weights that FID programs use.

They are published as pt_inception-2015-12-05-6726825d.pth, see https://github.com/mseitzer/pytorch-fid/releases
(fid_weights). The result is a TorchScript program: images of any size in, 2048 features out.
"""

import sys
from pathlib import Path

import torch
from fmboost_export.errors import OneLineParser, UsageError, run_main
from fmboost_export.files import check_shapes, read_pickle, read_safetensors, refuse_existing, whole_file
from fmboost_export.inception import SIDE, Inception, ImageFeatures
from fmboost_export.tracing import compare, trace


def parse(arguments):
    parser = OneLineParser(prog="export_inception.py", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("weights", type=Path, metavar="WEIGHTS", help="pt_inception-2015-12-05-6726825d.pth, or as .safetensors")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="the TorchScript file to write (.pt)")
    add("--force", action="store_true", help="replace an existing file")
    options = parser.parse_args(arguments)
    if not options.weights.is_file():
        raise UsageError(f"the weights '{options.weights}' do not exist")
    if options.output.suffix != ".pt":
        raise UsageError(f"the output must end in .pt, '{options.output}' does not")
    return options


def load_network(path):
    tensors = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    network = Inception()

    def needed(name):  # older files lack the counters of the normalizations, and the classifier is not used
        return not name.endswith("num_batches_tracked") and not name.startswith("fc.")

    wanted = {name: tensor.shape for name, tensor in network.state_dict().items() if needed(name)}
    found = {name: tensor for name, tensor in tensors.items() if needed(name)}
    check_shapes(found, wanted, path, "the Inception v3 of FID programs")
    network.load_state_dict(found, strict=False)
    return network.float().eval()


def make_program(network):
    """The checked TorchScript program of a network."""
    generator = torch.Generator().manual_seed(0)
    example = 2 * torch.rand(2, 3, SIDE, SIDE, generator=generator) - 1
    traced = trace(network, example, "Inception")
    program = torch.jit.script(ImageFeatures(traced)).eval()
    images = torch.randint(0, 256, (3, 3, 75, 110), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        reference = ImageFeatures(network)(images)
        compare(program, reference, [images], "Inception")
        compare(program, reference, [images / 255], "Inception")
    return program


def main(arguments=None):
    options = parse(arguments)
    refuse_existing(options.output, options.force)
    program = make_program(load_network(options.weights))
    with whole_file(options.output) as temporary:
        program.save(str(temporary))
    print(options.output)


if __name__ == "__main__":
    sys.exit(run_main(main, "export_inception.py"))
