"""The .safetensors file of a coupling network: reading, validation against its configuration, writing."""

import json

from safetensors.torch import save

from .cfm_layout import full_config, tensor_shapes
from .errors import ModelError, UsageError
from .files import check_shapes, read_safetensors, safetensors_metadata

PUBLISHED_NOISING_STEP = 400


def read_cfm(path, latent_channels):
    """Returns (tensors, configuration, noise). Raises ModelError if the network is for other latents. `noise` contains
    noising_step and, for a network trained with a range of steps from 0 on, noising_step_max."""
    if not path.is_file():
        raise UsageError(f"the CFM file '{path}' does not exist")
    metadata = safetensors_metadata(path)
    if "config" not in metadata:
        raise ModelError(f"'{path}' has no network configuration in its metadata ('config'); "
                         "scripts/convert_cfm_checkpoint.py writes files that have it")
    try:
        config = full_config(json.loads(metadata["config"]), path)
        noise = {"noising_step": int(metadata.get("noising_step", PUBLISHED_NOISING_STEP))}
        if "noising_step_max" in metadata and noise["noising_step"] <= 0:
            noise["noising_step_max"] = int(metadata["noising_step_max"])
    except ValueError as error:
        raise ModelError(f"'{path}' has unreadable metadata: {error}") from None
    for step in noise.values():
        if not -1 <= step <= 999:
            raise ModelError(f"'{path}': the noising step must be -1 to 999, got {step}")
    fits = config["in_channels"] in (latent_channels, 2 * latent_channels)
    if not fits or config["out_channels"] != latent_channels:
        raise ModelError(
            f"'{path}' is for other latents: it maps {config['in_channels']} channels to {config['out_channels']}; "
            f"latents of {latent_channels} channels need {2 * latent_channels} (or {latent_channels} without context) "
            f"to {latent_channels}"
        )
    tensors = read_safetensors(path)
    check_shapes(tensors, tensor_shapes(config), path, "its network configuration")
    return tensors, config, noise


def write_cfm(path, tensors, config, noising_step=None, noising_step_max=None):
    metadata = {"format": "pt", "config": json.dumps(config)}
    for name, step in (("noising_step", noising_step), ("noising_step_max", noising_step_max)):
        if step is not None:
            metadata[name] = str(step)
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata)
    path.write_bytes(with_sorted_metadata(data))


def with_sorted_metadata(data):
    """safetensors writes metadata in random order; sorting makes the file's hash, stored in the bundle, reproducible."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def coupling_entry(file, digest, factor, config, noise):
    """An entry of bundle.json with the published solver and path, and with back-projection for external images."""
    return {
        "file": file,
        "sha256": digest,
        "factor": factor,
        "network": config,
        "path": "linear",
        "upsampling": "pixel",
        **noise,
        "solver": "euler",
        "steps": 4,
        "back_projection": 2,
    }
