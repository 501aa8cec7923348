"""Assembles a bundle: the components, the tokenizer, the couplings and bundle.json."""

import json

import torch

from .cfm import coupling_entry, read_cfm, write_cfm
from .errors import ModelError
from .files import sha256
from .components import autoencoder_components, autoencoder_factor, denoiser_component, export_component, text_component
from .schedule import sampling_of


def check_components_fit(source):
    """Rejects models that only resemble Stable Diffusion 1.5."""
    unet, vae = source.unet.config, source.vae.config
    others = [name for name in ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type") if unet.get(name)]
    if others or unet.time_embedding_type != "positional" or unet.center_input_sample:
        reason = others[0] if others else "another time embedding"
        raise ModelError(f"'{source.name}' is not a Stable Diffusion 1.5 or LCM model: its unet has {reason}")
    if unet.in_channels != unet.out_channels:
        raise ModelError(f"'{source.name}': the unet must have as many output as input channels, it maps "
                         f"{unet.in_channels} to {unet.out_channels} (inpainting models are not supported)")
    if unet.in_channels != vae.latent_channels:
        raise ModelError(f"'{source.name}': the unet has {unet.in_channels} latent channels, the vae "
                         f"{vae.latent_channels}")
    if unet.cross_attention_dim != source.text_encoder.config.hidden_size:
        raise ModelError(f"'{source.name}': the unet expects text states of width {unet.cross_attention_dim}, the text "
                         f"encoder returns {source.text_encoder.config.hidden_size}")


def tokenizer_entry(source, folder):
    source.tokenizer.write(folder / "tokenizer")
    return {
        "type": "clip-bpe",
        "vocab": "tokenizer/vocab.json",
        "vocab_sha256": sha256(folder / "tokenizer" / "vocab.json"),
        "merges": "tokenizer/merges.txt",
        "merges_sha256": sha256(folder / "tokenizer" / "merges.txt"),
        "max_length": source.tokenizer.max_length,
        "start": source.tokenizer.start,
        "end": source.tokenizer.end,
        "pad": source.tokenizer.pad,
    }


def denoiser_fields(source, sampling):
    unet, factor = source.unet.config, autoencoder_factor(source.vae)
    size = unet.sample_size if isinstance(unet.sample_size, int) else max(unet.sample_size or [64])
    return {
        **sampling.fields(),
        "latent_channels": unet.in_channels,
        "native_size": size * factor,
        "size_multiple": factor * 2 ** (len(unet.block_out_channels) - 1),
        "guidance_embedding": unet.time_cond_proj_dim,
    }


def write_components(source, folder, sampling, dtype, say):
    """Exports the networks. Returns their entries and the operators used by the TorchScript modules."""
    stored = {component: dtype or source.dtypes[component] for component in source.dtypes}
    # The wrappers modify the models, so their properties are read first.
    fields, autoencoder = denoiser_fields(source, sampling), source.vae.config
    text, used = export_component(text_component(source, stored["text_encoder"]), folder, say)
    denoiser, more = export_component(denoiser_component(source, stored["unet"]), folder, say)
    used |= more
    halves = []
    for component in autoencoder_components(source, stored["vae"]):
        entry, more = export_component(component, folder, say)
        halves.append(entry)
        used |= more
    entries = {
        "text_encoder": {**text, "width": source.text_encoder.config.hidden_size},
        "denoiser": {**denoiser, **fields},
        "autoencoder": {
            "encoder": halves[0],
            "decoder": halves[1],
            "factor": autoencoder_factor(source.vae),
            "latent_channels": autoencoder.latent_channels,
            "scale": autoencoder.scaling_factor,
            "shift": autoencoder.shift_factor or 0.0,
        },
    }
    return entries, used


def write_couplings(path, factors, noising_step, latent_channels, dtype, folder, stem="cfm"):
    """Writes a coupling's weights as STEM-FACTORSx.safetensors; returns its entries of bundle.json, one per factor."""
    tensors, config, noise = read_cfm(path, latent_channels)
    if noising_step is not None:
        noise["noising_step"] = noising_step
    if dtype is not None:
        tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    file = f"{stem}-{'-'.join(map(str, factors))}x.safetensors"
    write_cfm(folder / file, tensors, config, **noise)
    digest = sha256(folder / file)
    return [coupling_entry(file, digest, factor, config, noise) for factor in factors]


def write_bundle(source, folder, options, say=lambda line: None):
    """`options`: from the command line. Returns the operators used by the TorchScript modules."""
    check_components_fit(source)
    dtype = getattr(torch, options.dtype) if options.dtype else None
    sampling = sampling_of(source.scheduler, source.unet.config.time_cond_proj_dim, options.sampler)
    for field in ("prediction", "steps", "guidance"):
        if getattr(options, field) is not None:
            setattr(sampling, field, getattr(options, field))
    # Invalid couplings should fail before the slow part.
    channels = source.vae.config.latent_channels
    couplings = []
    if options.cfm:
        couplings = write_couplings(options.cfm, options.cfm_factor or [2], options.cfm_noising_step, channels, dtype,
                                    folder)  # fmt: skip
        say(f"{couplings[0]['file']}: {', '.join(str(entry['factor']) + 'x' for entry in couplings)}")
    entries, used = write_components(source, folder, sampling, dtype, say)
    manifest = {
        "format": "fmboost-bundle",
        "version": 1,
        "name": options.name or source.name,
        "license": options.license or "",
        "source": source_text(options),
        "tokenizer": tokenizer_entry(source, folder),
        **entries,
        "couplings": couplings,
    }
    (folder / "bundle.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return used


def source_text(options):
    """Names without folders, which mean nothing on other machines."""
    text = f"exported from {options.model.resolve().name}"
    for path, weight in options.lora:
        text += f", with the LoRA {path.name} at {weight:g}"
    return text + (f", coupling from {options.cfm.name}" if options.cfm else "")
