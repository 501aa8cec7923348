"""The recipe of the default model, at a size that a test can afford: every stage runs, and every part learns."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from conftest import ROOT

RECIPE = ROOT / "scripts" / "default_model"
sys.path.insert(0, str(RECIPE))

import drawn_pictures  # noqa: E402
import networks  # noqa: E402
import reconstruct  # noqa: E402
import text_networks  # noqa: E402
import train_text_model  # noqa: E402
import training  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    subprocess.run([sys.executable, RECIPE / "recipe.py", folder, "--tiny", "--threads", "1"], check=True)
    return folder


def test_the_autoencoder_learns_to_reconstruct(made):
    picture = Image.open(sorted((made / "held-out").glob("*.png"))[0])

    def error(model):
        return np.abs(np.asarray(reconstruct.reconstruct(model, picture), float) - np.asarray(picture, float)).mean()

    torch.manual_seed(0)
    fresh, trained = networks.Autoencoder(), networks.Autoencoder()
    trained.load_state_dict(load_file(made / "autoencoder" / "autoencoder.safetensors"))
    assert error(trained) < 0.8 * error(fresh)


def test_the_coupling_learns_to_enlarge(made):
    rows = [json.loads(line) for line in (made / "coupling" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["validation/psnr"] > rows[-1]["validation/start_psnr"]


def test_the_text_model_learns_to_denoise(made):
    lines = [json.loads(line) for line in (made / "text-latents" / "captions.jsonl").open()]
    latents = np.load(made / "text-latents" / "latents.npy", mmap_mode="r")
    assert latents.shape == (64, networks.LATENT_CHANNELS, 32, 32) and len(lines) == 64
    words = {word: i for i, word in enumerate(train_text_model.vocabulary())}
    ids = torch.tensor([train_text_model.token_ids(line["caption"], words) for line in lines[:16]])
    latent = torch.from_numpy(np.array(latents[:16], np.float32))
    shares = train_text_model.signal_shares()

    def loss(model):
        torch.manual_seed(1)
        with torch.no_grad():
            return train_text_model.loss_of(model, latent / latent.std(), ids, shares).item()

    torch.manual_seed(0)
    fresh, trained = text_networks.TextModel(len(words)), text_networks.TextModel(len(words))
    trained.load_state_dict(load_file(made / "text" / "text_model.safetensors"))
    assert loss(trained) < 0.97 * loss(fresh)


def test_the_bundle_draws_and_enlarges(made, fmboost, tmp_path):
    assert "verified" in fmboost("inspect", made / "bundle", "--verify").stdout
    fmboost("generate", "-m", made / "bundle", "-p", "a landscape at night", "--size", 256, "--steps", 2, "-o",
            tmp_path / "a.png")  # fmt: skip
    assert Image.open(tmp_path / "a.png").size == (256, 256)


def test_a_stage_that_is_done_is_not_done_again(made):
    done = subprocess.run([sys.executable, RECIPE / "recipe.py", made, "--tiny"], check=True, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("+")] == []
    wrong = subprocess.run([sys.executable, RECIPE / "recipe.py", made, "--until", "lunch"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "lunch" in wrong.stderr


def test_captions_become_the_tokens_of_fmboost(fmboost, made):
    words = {word: i for i, word in enumerate(train_text_model.vocabulary())}
    ids = train_text_model.token_ids("A landscape at night, a RED zebra, stars", words)
    found = [word for i in ids if i > 1 for word, number in words.items() if number == i]
    assert found == ["a", "landscape", "at", "night", ",", "a", "red", ",", "stars"]
    assert train_text_model.token_ids("zebra", words) == [1] + [0] * 47
    listed = json.loads(fmboost("inspect", made / "bundle", "--json").stdout)["tokenizer"]["vocabulary"]
    assert set(listed) >= {"landscape", "lighthouse", ","}


def test_crops_go_on_where_a_training_stopped():
    """What was drawn before `skip` is left out, and the rest is the same."""
    whole = drawn_pictures.DrawnCrops("leaves", 32)
    pictures = [next(whole).copy() for _ in range(40)]
    whole.close()
    rest = drawn_pictures.DrawnCrops("leaves", 32, skip=32)
    assert all(np.array_equal(next(rest), pictures[32 + i]) for i in range(8))
    rest.close()


@torch.enable_grad()
def test_a_training_that_is_stopped_goes_on_with_the_same_state(tmp_path):
    def start():
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 3)
        optimizer = torch.optim.AdamW(module.parameters())
        return training.Run(tmp_path / "run", module, optimizer, training.Average(module, 0.9), steps=6, learning_rate=0.1)

    def go(run, until):
        for step in run.rest():
            loss = run.module(torch.full((2, 3), float(step))).square().mean()
            run.optimizer.zero_grad()
            loss.backward()
            run.finish_step(loss, run.taken + 2)
            run.stopped = run.step >= until
            if run.stopped:
                run.save()

    whole = start()
    go(whole, 6)
    whole.checkpoint.unlink()
    go(start(), 3)
    rest = start()
    assert rest.resume() and (rest.step, rest.taken) == (3, 6)
    go(rest, 6)
    for name, tensor in whole.average.weights.items():
        assert torch.equal(tensor, rest.average.weights[name])


def test_the_schedule_is_stable_diffusions():
    shares = train_text_model.signal_shares()
    assert shares[0].item() == pytest.approx(1 - 0.00085, rel=1e-5)
    assert shares[-1].item() == pytest.approx(0.0047, rel=0.01)
    assert training.cosine_factor(0, 1000) == pytest.approx(0.01)
    assert training.cosine_factor(99, 1000) == 1
    assert training.cosine_factor(1000, 1000) == pytest.approx(0.02)
