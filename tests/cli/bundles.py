"""Copies of the default bundle with something changed."""

import hashlib
import json
import shutil

from runner import MODEL
from safetensors.numpy import load_file, safe_open, save_file


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
        """What is needed to enlarge, and nothing to draw with."""
        return self.copy("upscaler", tokenizer=None, text_encoder=None, denoiser=None)

    def with_weights(self, change):
        """A copy whose coupling has changed tensors, under their right hash."""
        folder = self.copy("changed")
        file = folder / "cfm.safetensors"
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata()
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file, metadata)
        hash_ = hashlib.sha256(file.read_bytes()).hexdigest()
        couplings = json.loads((folder / "bundle.json").read_text())["couplings"]
        self.describe(folder, couplings=[coupling | {"sha256": hash_} for coupling in couplings])
        return folder
