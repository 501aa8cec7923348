"""Copies of the default bundle with something changed."""

import hashlib
import json
import shutil

from runner import MODEL
from safetensors.numpy import load_file, safe_open, save_file


DESCRIPTION = json.loads((MODEL / "bundle.json").read_text())
COUPLINGS = DESCRIPTION["couplings"]
CHANNELS, FACTOR = (DESCRIPTION["autoencoder"][name] for name in ("latent_channels", "factor"))
WEIGHTS = COUPLINGS[0]["file"]


class BundleMaker:
    def __init__(self, base):
        self.base = base

    def copy(self, folder="bundle", /, **changes):
        """A whole copy; `changes` replace entries of its description, None takes one out."""
        folder = self.base / folder
        shutil.copytree(MODEL, folder)
        self.describe(folder, **changes)
        return folder

    def describe(self, folder, **changes):
        description = json.loads((folder / "bundle.json").read_text()) | changes
        kept = {key: value for key, value in description.items() if value is not None}
        (folder / "bundle.json").write_text(json.dumps(kept))

    def upscaler(self):
        """What is needed to upscale, and nothing to draw with."""
        folder = self.base / "upscaler"
        shutil.copytree(MODEL, folder)
        self.describe(folder, tokenizer=None, text_encoder=None, denoiser=None)
        return folder

    def plain(self):
        """What is needed to draw, and nothing to upscale with."""
        return self.copy("plain", couplings=None)

    def nested(self):
        """What only draws, around another bundle that upscales for it."""
        folder = self.copy("nested", couplings=None, upscaler="inside")
        self.upscaler().rename(folder / "inside")
        return folder

    def with_weights(self, change):
        """A copy whose coupling has changed tensors, under their right hash."""
        folder = self.upscaler()
        file = folder / WEIGHTS
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata()
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file, metadata)
        hash_ = hashlib.sha256(file.read_bytes()).hexdigest()
        of_file = [coupling for coupling in COUPLINGS if coupling["file"] == WEIGHTS]
        self.describe(folder, couplings=[coupling | {"sha256": hash_} for coupling in of_file])
        return folder
