"""Shared fixtures of the Python tests: the scripts, the binary, and small random models made once per session."""

import os
import subprocess
import types

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}

import export_bundle  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from binary_fixtures import ROOT, binary, fmboost, no_gradients  # noqa: E402, F401
from fmboost_export import cfm_formula  # noqa: E402
from fmboost_export.cfm import write_cfm  # noqa: E402
from fmboost_export.errors import run_main  # noqa: E402
from fmboost_export.random_models import random_components, save_folder  # noqa: E402
from native_bundle import make_native_bundle  # noqa: E402

__all__ = ["ROOT", "binary", "fmboost", "no_gradients"]
torch.set_num_threads(1)  # the models are too small for more
CLIP = export_bundle.TOKENIZER
LCM = {"_class_name": "LCMScheduler"}


@pytest.fixture
def run_import(binary, tmp_path):
    """Runs `fmboost import`; returns the finished process."""

    def run(*arguments):
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        command = [str(word) for word in (binary, "import", *arguments)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, timeout=300)

    return run


@pytest.fixture
def run_export(capsys):
    """Runs export_bundle.py in this process; returns its exit code and its stderr."""

    def run(*arguments):
        code = run_main(export_bundle.main, "export_bundle.py", [str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """folder(name) of a small model, bundle(name) of its export, native(name) of a bundle with native networks; each is made
    on first use."""
    base = tmp_path_factory.mktemp("models")
    trailing = {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
    kinds = {
        "ddim": ({}, None),
        "v": (trailing, None),
        "lcm": (LCM, None),
        "lcm-guided": (LCM, 32),
    }

    def folder(kind):
        path = base / kind
        if not path.exists():
            scheduler, guidance = kinds[kind]
            save_folder(random_components(seed=len(kind), guidance_embedding=guidance), scheduler, CLIP, path)
        return path

    def cfm():
        path = base / "cfm.safetensors"
        if not path.exists():
            write_cfm(path, *cfm_formula.formula_cfm(cfm_formula.SMALL), noising_step=0)
        return path

    def bundle(kind):
        path = base / f"{kind}-bundle"
        if not path.exists():
            arguments = ["--model", folder(kind), "-o", path, "--cfm", cfm()]
            assert run_main(export_bundle.main, "export", list(map(str, arguments))) == 0
        return path

    def native(kind):
        path = base / f"{kind}-native"
        return path if path.exists() else make_native_bundle(folder(kind), bundle(kind), path)

    return types.SimpleNamespace(folder=folder, bundle=bundle, native=native, cfm=cfm)
