"""Atomic files and folders, and tensor files read without executing code."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from .errors import ExportError, ModelError, one_line


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path):
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"'{path}' is missing") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"'{path}' is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"'{path}' must contain a JSON object, got a {type(value).__name__}")
    return value


def read_safetensors(path):
    try:
        return load_file(str(path))
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"'{path}' is not a readable safetensors file: {error}") from None


def safetensors_metadata(path):
    try:
        with safe_open(str(path), framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"'{path}' is not a readable safetensors file: {error}") from None


def read_pickle(path):
    """Loads tensors and plain containers only, since other pickles may execute arbitrary code."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"'{path}' contains more than tensors and plain containers, or is not a checkpoint, and is not loaded: "
            f"{one_line(error).split('.')[0]}; save only its state_dict and try again"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"'{path}' is not a readable checkpoint: {one_line(error)}") from None


def stored_dtype(tensors):
    """The floating-point type that most of the weights are stored in."""
    counts = Counter()
    for tensor in tensors.values():
        if tensor.is_floating_point():
            counts[tensor.dtype] += tensor.numel()
    return counts.most_common(1)[0][0] if counts else torch.float32


def check_shapes(found, wanted, origin, network):
    """Raises ModelError, naming the first few differences, if the names or shapes of the tensors are not as expected."""
    found = {name: tuple(tensor.shape) for name, tensor in found.items()}
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} is not part of the network" for name in found if name not in wanted]
    problems += [
        f"{name} must be {list(shape)}, got {list(found[name])}"
        for name, shape in wanted.items()
        if name in found and found[name] != tuple(shape)
    ]
    if problems:
        more = f", and {len(problems) - 3} more like these" if len(problems) > 3 else ""
        raise ModelError(f"'{origin}' does not fit {network}: {'; '.join(problems[:3])}{more}")


def refuse_existing(path, force, marker=None):
    """Folders are replaced only if they contain `marker`: --force must not delete a user's other files."""
    path = Path(path)
    if not path.exists() and not path.is_symlink():
        return
    if not force:
        raise ExportError(f"'{path}' already exists; use --force to replace it")
    if marker is None and path.is_dir():
        raise ExportError(f"'{path}' is a folder, expected a file")
    if marker is not None and not (path.is_dir() and ((path / marker).is_file() or not any(path.iterdir()))):
        raise ExportError(f"'{path}' exists and is not a folder with {marker}; it is not replaced, even with --force")


def _temporary(path):
    path = Path(os.path.abspath(path))
    if not path.parent.is_dir():
        raise ExportError(f"the folder '{path.parent}' does not exist")
    return path, path.with_name(f".{path.name}.tmp-{os.getpid()}")


@contextlib.contextmanager
def whole_file(path):
    """Yields a temporary path, which is renamed to the final name on success and removed on failure."""
    path, temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path):
    """Like whole_file, for a folder; an existing folder is replaced at the end."""
    path, temporary = _temporary(path)
    old = temporary.with_name(temporary.name + "-old")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.is_symlink():
            old.unlink()
        shutil.rmtree(old, ignore_errors=True)
