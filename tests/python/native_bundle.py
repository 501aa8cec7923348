"""Makes a bundle with native networks from one with TorchScript networks and its diffusers folder."""

import hashlib
import json
import shutil

from safetensors.torch import load_file, save_file


def published_text(tensors):
    """Published files have the prefix `text_model.`; whether transformers writes it depends on its version."""
    prefix = "text_model."
    return {prefix + name.removeprefix(prefix): x for name, x in tensors.items()}


def make_native_bundle(folder, bundle, output, clip_skip=0):
    shutil.copytree(bundle, output, ignore=shutil.ignore_patterns("*.pt"))
    manifest = json.loads((output / "bundle.json").read_text())

    def use(entry, component, stem, change=lambda tensors: tensors, **options):
        file = f"{component}.safetensors"
        save_file(change(load_file(folder / component / f"{stem}.safetensors")), output / file)
        config = json.loads((folder / component / "config.json").read_text()) | options
        digest = hashlib.sha256((output / file).read_bytes()).hexdigest()
        entry |= {"backend": "native", "file": file, "sha256": digest, "config": config}

    use(manifest["text_encoder"], "text_encoder", "model", published_text, clip_skip=clip_skip)
    use(manifest["denoiser"], "unet", "diffusion_pytorch_model")
    for half in ("encoder", "decoder"):
        del manifest["autoencoder"][half]
    use(manifest["autoencoder"], "vae", "diffusion_pytorch_model")
    (output / "bundle.json").write_text(json.dumps(manifest, indent=1))
    return output
