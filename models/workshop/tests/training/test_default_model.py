"""The recipe of the default model at a tiny size: every stage runs, and every component learns."""

import io
import json
import subprocess
import sys
import tarfile

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import captioned_latents
import draw_generated_pairs
import drawn_images
import make_bundle
import muon
import networks
import reconstruct
import replay
import sampling
import text_networks
import train_text_model
import training
from binary_fixtures import ROOT

RECIPE = ROOT / "models" / "workshop" / "training"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    subprocess.run([sys.executable, RECIPE / "recipe.py", folder, "--tiny", "--threads", "1"], check=True)
    return folder


def test_the_autoencoder_learns_to_reconstruct(made):
    image = Image.open(sorted((made / "held-out").glob("*.png"))[0])

    def error(model):
        return np.abs(np.asarray(reconstruct.reconstruct(model, image), float) - np.asarray(image, float)).mean()

    torch.manual_seed(0)
    fresh, trained = networks.Autoencoder(), networks.Autoencoder()
    trained.load_state_dict(load_file(made / "autoencoder" / "autoencoder.safetensors"))
    assert error(trained) < 0.8 * error(fresh)


def test_the_coupling_learns_to_upscale(made):
    rows = [json.loads(line) for line in (made / "coupling" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["validation/psnr"] > rows[-1]["validation/start_psnr"]


def test_softened_is_a_gaussian_blur_of_the_given_deviation():
    point = torch.zeros(1, 3, 32, 32)
    point[:, :, 16, 16] = 1
    soft = draw_generated_pairs.softened(point, 1.2)
    torch.testing.assert_close(soft.sum((2, 3)), torch.ones(1, 3))
    distance = torch.arange(32.0) - 16
    assert abs((soft[0, 0].sum(0) * distance.square()).sum() - 1.2**2) < 0.02  # the window truncates its tails
    torch.testing.assert_close(soft, soft.transpose(2, 3))


def test_contexts_of_generated_pairs_are_softer_than_their_targets(made):
    with tarfile.open(made / "generated-4" / "shard-000000.tar") as tar:
        arrays = {member.name: np.load(io.BytesIO(tar.extractfile(member).read())) for member in tar}
    keys = sorted({name.split(".")[0] for name in arrays})
    assert len(keys) == 2 * 8 and keys[0] == "00100000_0"  # two images, eight squares each
    _, mean, deviation = networks.load_autoencoder(made / "autoencoder" / "autoencoder.safetensors")
    pairs = [[(arrays[f"{key}.{kind}.npy"].astype(np.float32) - mean) / deviation for kind in ("latent", "latent_lowres")]
             for key in keys]  # fmt: skip
    assert all(latent.shape == context.shape == (networks.LATENT_CHANNELS, 48, 48) for latent, context in pairs)
    roughness = [np.mean([np.abs(np.diff(one)).mean() for one in kind]) for kind in zip(*pairs, strict=True)]
    assert 0 < roughness[1] < roughness[0]


def test_tuning_keeps_the_coupling_faithful_at_noise_0(made):
    rows = [json.loads(line) for line in (made / "tuned-coupling" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["validation/psnr"] > rows[-1]["validation/start_psnr"]
    couplings = [entry for entry in json.loads((made / "bundle" / "bundle.json").read_text())["couplings"]
                 if entry["applies_to"] == "external"]  # fmt: skip
    assert [(entry["noising_step"], entry["noising_step_max"]) for entry in couplings] == [(0, 300), (0, 300)]


def test_generated_images_have_a_coupling_that_learns_to_repair_them(made):
    trained, tuned = (json.loads((made / run / "metrics.jsonl").read_text().splitlines()[-1])
                      for run in ("generated-coupling", "tuned-generated-coupling"))  # fmt: skip
    assert tuned["validation/psnr"] > trained["validation/psnr"] + 0.2
    couplings = json.loads((made / "bundle" / "bundle.json").read_text())["couplings"]
    kinds = [(entry["file"], entry["applies_to"], entry["factor"]) for entry in couplings]
    assert kinds == [("cfm-2-4x.safetensors", "external", 2), ("cfm-2-4x.safetensors", "external", 4),
                     ("cfm-own-2-4x.safetensors", "generated", 2),
                     ("cfm-own-2-4x.safetensors", "generated", 4)]  # fmt: skip


def test_the_text_model_learns_to_denoise(made):
    lines = [json.loads(line) for line in (made / "text-latents" / "captions.jsonl").open()]
    latents = np.load(made / "text-latents" / "latents.npy", mmap_mode="r")
    assert latents.shape == (64, networks.LATENT_CHANNELS, 32, 32) and len(lines) == 64
    words = {word: i for i, word in enumerate(captioned_latents.vocabulary())}
    ids = torch.tensor([captioned_latents.token_ids(line["caption"], words) for line in lines[:16]])
    latent = torch.from_numpy(np.array(latents[:16], np.float32))
    shares = captioned_latents.signal_shares()

    def loss(model):
        torch.manual_seed(1)
        with torch.no_grad():
            return train_text_model.loss_of(model, latent / latent.std(), ids, shares).item()

    trained = text_networks.load_text_model(made / "text" / "text_model.safetensors", len(words))
    torch.manual_seed(0)
    fresh = text_networks.TextModel(len(words), widths=trained.denoiser.configuration["widths"])
    assert loss(trained) < 0.97 * loss(fresh)


def test_the_bundle_is_valid_and_has_examples(made, fmboost):
    assert "verified" in fmboost("inspect", made / "bundle", "--verify").stdout
    examples = fmboost("generate", "--example", "-m", made / "bundle").stdout
    assert examples == (RECIPE / "examples.txt").read_text()


def test_the_bundle_generates_and_upscales(made, fmboost, tmp_path):
    """Twice the native size: a low-resolution image, upscaled by the coupling and not by interpolation."""
    fmboost("generate", "-m", made / "bundle", "-p", "a landscape at night", "--size", 256, "--save-intermediates",
            tmp_path / "i", "-o", tmp_path / "a.png")  # fmt: skip
    low, high = Image.open(tmp_path / "i" / "a_low.png"), Image.open(tmp_path / "a.png")
    assert (low.size, high.size) == ((128, 128), (256, 256))

    def difference(one, other):
        return np.abs(np.asarray(one, float) - np.asarray(other, float)).mean()

    assert difference(high.resize(low.size, Image.BOX), low) < 12  # the same image
    assert difference(high, low.resize(high.size, Image.BILINEAR)) > 1


def test_examples_with_unknown_words_or_too_many_are_rejected(tmp_path):
    words = captioned_latents.vocabulary()
    assert len(make_bundle.read_examples(RECIPE / "examples.txt", words)) >= 8
    for prompt, message in (("a red zebra", "zebra"), ("sun, " * 25, "longer than 48 tokens")):
        (tmp_path / "examples.txt").write_text(prompt)
        with pytest.raises(SystemExit, match=message):
            make_bundle.read_examples(tmp_path / "examples.txt", words)


def test_finished_stages_are_skipped(made):
    done = subprocess.run([sys.executable, RECIPE / "recipe.py", made, "--tiny"], check=True, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("+")] == []
    wrong = subprocess.run([sys.executable, RECIPE / "recipe.py", made, "--until", "lunch"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "lunch" in wrong.stderr


def test_captions_are_tokenized_as_by_fmboost(fmboost, made):
    words = {word: i for i, word in enumerate(captioned_latents.vocabulary())}
    ids = captioned_latents.token_ids("A landscape at night, a RED zebra, stars", words)
    found = [word for i in ids if i > 1 for word, number in words.items() if number == i]
    assert found == ["a", "landscape", "at", "night", ",", "a", "red", ",", "stars"]
    assert captioned_latents.token_ids("zebra", words) == [1] + [0] * 47
    listed = json.loads(fmboost("inspect", made / "bundle", "--json").stdout)["tokenizer"]["vocabulary"]
    assert set(listed) >= {"landscape", "lighthouse", ","}


def test_skipped_crops_are_left_out_and_the_rest_is_the_same():
    whole = drawn_images.DrawnCrops("leaves", 32)
    images = [next(whole).copy() for _ in range(40)]
    whole.close()
    rest = drawn_images.DrawnCrops("leaves", 32, skip=32)
    assert all(np.array_equal(next(rest), images[32 + i]) for i in range(8))
    rest.close()


@torch.enable_grad()
@pytest.mark.parametrize("optimizer_of", [lambda module: torch.optim.AdamW(module.parameters()), muon.MuonAdamW])
def test_an_interrupted_training_resumes_with_the_same_state(tmp_path, optimizer_of):
    def start():
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 3)
        optimizer = optimizer_of(module)
        return training.Run(tmp_path / "run", module, optimizer, training.Average(module, 0.9), steps=6, learning_rate=0.1)

    def go(run, until):
        for step in run.rest():
            loss = run.module(torch.full((2, 3), float(step))).square().mean()
            run.take_step(loss, run.taken + 2)
            run.stopped = run.step >= until
            if run.stopped:
                run.save()

    whole = start()
    go(whole, 6)
    whole.checkpoint.unlink()
    go(start(), 3)
    rest = start()
    torch.manual_seed(5)
    rest.resume(seed=1)
    assert (rest.step, rest.taken) == (3, 6) and torch.initial_seed() == 4
    go(rest, 6)
    for name, tensor in whole.average.weights.items():
        assert torch.equal(tensor, rest.average.weights[name])


def trained_for_twelve_steps(folder, device, replayed):
    """Returns the averaged weights."""
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 3, device=device)
    run = training.Run(folder, module, muon.MuonAdamW(module), training.Average(module, 0.9), 12, 0.1)
    loss_of = lambda: (module(torch.ones(2, 3, device=device)).square().mean(), {})  # noqa: E731
    step = run.stepper(loss_of, 2) if replayed else lambda: run.take_step(loss_of()[0], run.taken + 2)
    for _ in run.rest():
        step()
    assert (run.step, run.taken) == (12, 24)
    return run.average.weights


@torch.enable_grad()
def test_a_replayable_step_equals_a_plain_step(tmp_path):
    once, again = (trained_for_twelve_steps(tmp_path / str(replayed), "cpu", replayed) for replayed in (False, True))
    assert all(torch.equal(once[name], again[name]) for name in once)


@torch.enable_grad()
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_replayed_steps_on_a_gpu_equal_plain_steps(tmp_path):
    once, again = (trained_for_twelve_steps(tmp_path / str(replayed), "cuda", replayed) for replayed in (False, True))
    for name, tensor in once.items():
        torch.testing.assert_close(again[name], tensor)


def test_without_a_gpu_a_replay_is_a_plain_call():
    calls = replay.Replay(lambda: torch.rand(()), "cpu")
    assert calls() != calls() and calls.calls == 2


@torch.enable_grad()
def test_a_training_reports_the_terms_of_its_loss_and_saves_checkpoints(tmp_path, capsys, monkeypatch):
    module = torch.nn.Linear(3, 3)
    run = training.Run(tmp_path, module, torch.optim.AdamW(module.parameters()), training.Average(module, 0.9), 9, 0.1)
    saved = []
    for _ in run.rest():
        if run.step == 5:
            monkeypatch.setattr(training, "SAVE_SECONDS", 0)
        loss = module(torch.ones(2, 3)).square().mean()
        run.take_step(loss, run.taken + 2, every=2, parts={"whole": loss, "twice": 2 * loss, "one": torch.ones(())})
        saved.append(run.saved)
    assert saved == [0] * 5 + [6, 6, 8, 8] and run.saved == 9  # at reports, and at the end
    lines = [line.split(", ") for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 4 and all(line[4] == "one 1" for line in lines)
    for _, loss, whole, twice, *_ in lines:
        numbers = [float(text.split()[1]) for text in (loss, whole, twice)]
        assert numbers == pytest.approx([numbers[0], numbers[0], 2 * numbers[0]], abs=1e-3)


@torch.enable_grad()
def test_a_diverged_training_keeps_its_last_good_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", 0)
    module = torch.nn.Linear(3, 3)
    run = training.Run(tmp_path, module, torch.optim.AdamW(module.parameters()), training.Average(module, 0.9), 9, 0.1)
    with pytest.raises(SystemExit, match="not finite"):
        for step in run.rest():
            inputs = torch.ones(2, 3) if step < 3 else torch.full((2, 3), torch.nan)
            run.take_step(module(inputs).square().mean(), run.taken + 2, every=2)
    kept = torch.load(run.checkpoint, weights_only=True)
    assert kept["step"] == 2 and all(tensor.isfinite().all() for tensor in kept["module"].values())


@pytest.mark.parametrize(
    "betas, last, between", [(captioned_latents.BETAS, 5.6e-6, 351), (captioned_latents.FINE_BETAS, 4e-5, 350)]
)
def test_schedules_end_in_noise_and_cover_medium_noise_densely(betas, last, between):
    shares = captioned_latents.signal_shares(betas)
    assert shares[0].item() == pytest.approx(1 - betas[0], rel=1e-5)
    assert shares[-1].item() == pytest.approx(last, rel=0.05)
    assert ((shares > 0.001) & (shares < 0.1)).sum() >= between
    scheduler = diffusers.LCMScheduler(beta_start=betas[0], beta_end=betas[1], beta_schedule="linear")
    torch.testing.assert_close(shares, scheduler.alphas_cumprod, rtol=1e-4, atol=0)


def test_the_learning_rate_warms_up_and_decays():
    assert training.cosine_factor(0, 0) == pytest.approx(0.01)
    assert training.cosine_factor(99, 0) == 1
    assert training.cosine_factor(1000, 1) == pytest.approx(0.02)


def test_muon_updates_are_nearly_orthogonal():
    torch.manual_seed(0)
    for shape in ((16, 40), (40, 16)):
        matrix = torch.randn(shape, dtype=torch.float64)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        singular = torch.linalg.svdvals(muon.orthogonal(matrix))
        assert singular.min() > 0.6 and singular.max() < 1.3
        assert (muon.orthogonal(matrix) * (u @ v)).sum() > 0.85 * min(shape)  # close to the nearest orthogonal matrix


@torch.enable_grad()
def test_adamw_handles_outer_layers_embeddings_and_vectors():
    module = torch.nn.Sequential(torch.nn.Embedding(4, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))
    optimizer = muon.MuonAdamW(module, outer=("2.",), lr=0.01)
    sizes = [[tuple(p.shape) for p in group["params"]] for group in optimizer.param_groups]
    assert sizes == [[(8, 8)], [(4, 8), (8,), (2, 8), (2,)]]
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    module(torch.tensor([0, 1, 2, 3])).square().sum().backward()
    module[1].weight.grad = torch.eye(8)  # of full rank
    optimizer.step()
    change = (module[1].weight - before["1.weight"]).detach()
    assert change.square().mean().sqrt().item() == pytest.approx(0.01 * 0.2, rel=0.3)  # Muon's 0.2 of AdamW's
    assert all(not torch.equal(p, before[name]) for name, p in module.named_parameters())


def test_the_bundle_defaults_to_the_sampler_and_schedule_of_its_training(made):
    denoiser = json.loads((made / "bundle" / "bundle.json").read_text())["denoiser"]
    defaults = [denoiser[f"default_{name}"] for name in ("sampler", "steps", "guidance")]
    assert defaults == ["lcm", sampling.DRAWING_STEPS, 1.0]
    schedule = denoiser["schedule"]
    assert (schedule["beta_start"], schedule["beta_end"]) == captioned_latents.FINE_BETAS != captioned_latents.BETAS
    assert schedule["beta_schedule"] == "linear"
    names = ("text", "distilled", "matched", "tuned", "sharpened")
    stages = [load_file(made / name / "text_model.safetensors") for name in names]
    for earlier, later in zip(stages, stages[1:]):
        assert any(not torch.equal(later[name], earlier[name]) for name in later)
