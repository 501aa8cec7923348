"""CLIP's vocabulary and merges, from either storage format."""

import dataclasses
import json

from .errors import ModelError
from .files import read_json

NO_LIMIT = 10**9  # transformers writes 10^30 if there is no limit
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclasses.dataclass
class Tokenizer:
    vocab: dict  # token -> id
    merges: list  # "a b", best first
    start: int
    end: int
    pad: int
    max_length: int | None  # None: that of the text encoder

    @classmethod
    def from_folder(cls, folder):
        """Reads vocab.json and merges.txt, or else tokenizer.json."""
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            vocab = read_json(folder / "vocab.json")
            merges = _read_merges(folder / "merges.txt")
        elif (folder / "tokenizer.json").is_file():
            vocab, merges = _read_fast(folder / "tokenizer.json")
        else:
            raise ModelError(f"'{folder}' contains no CLIP tokenizer: expected vocab.json and merges.txt, or tokenizer.json")
        if not all(isinstance(number, int) for number in vocab.values()):
            raise ModelError(f"'{folder}': the ids of the vocabulary must be integers")
        missing = [token for token in (START, END) if token not in vocab]
        if missing:
            raise ModelError(f"'{folder}' contains no CLIP vocabulary: it lacks {' and '.join(missing)}")
        config = folder / "tokenizer_config.json"
        settings = read_json(config) if config.is_file() else {}
        pad = settings.get("pad_token") or END
        pad = pad.get("content", END) if isinstance(pad, dict) else pad
        length = settings.get("model_max_length")
        length = length if isinstance(length, int) and length < NO_LIMIT else None
        return cls(vocab, merges, vocab[START], vocab[END], vocab.get(pad, vocab[END]), length)

    def write(self, folder):
        folder.mkdir()
        (folder / "vocab.json").write_text(json.dumps(self.vocab, ensure_ascii=False), encoding="utf-8")
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *self.merges]) + "\n", encoding="utf-8")


def _read_merges(path):
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ModelError(f"'{path}' is not UTF-8 text: {error}") from None
    return [line for line in lines if line and not line.startswith("#version")]


def _read_fast(path):
    """Reads tokenizer.json, the only file that newer libraries write."""
    content = read_json(path)
    model = content.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise ModelError(f"'{path}' is not a byte-pair encoding tokenizer like CLIP's")
    vocab, merges = dict(model["vocab"]), model.get("merges", [])
    for token in content.get("added_tokens", []):
        vocab.setdefault(token["content"], token["id"])
    return vocab, [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]
