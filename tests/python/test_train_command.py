"""What `fmboost train` promises, with the real binary on a problem that takes seconds."""

import json
import os
import re
import resource
import signal
import socket
import subprocess

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from toy_training import NETWORK, RECIPE, upscaled_psnr, write_identity_bundle, write_shapes

SHORT = (*NETWORK, "--low", 16, "--high", 32, "--batch-size", 2, "--steps", 6, "--warmup", 0, "--lr", 1e-3,
         "--ema-update-after-step", 2, "--precision", "float32", "--checkpoint-every", 3, "--log-every", 2,
         "--noising-step", 0)  # fmt: skip


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """Folders of a bundle and of drawn images, 24 to train on and 4 to validate on."""
    base = tmp_path_factory.mktemp("toy")
    write_identity_bundle(base / "bundle")
    write_shapes(base / "shapes", 24, side=48)
    write_shapes(base / "held-out", 4, first_seed=1000, side=48)
    return base


@pytest.fixture
def command(binary, toy):
    """The command line and environment of a short training into a folder."""

    def make(output, *arguments, data=None):
        line = [binary, "train", "--data", data or toy / "shapes", "-m", toy / "bundle", "-o", output, "--device", "cpu",
                "--dtype", "float32", "--threads", "1", *SHORT]  # fmt: skip
        seen = {str(x) for x in arguments if str(x).startswith("--")}
        kept, skip = [], False
        for word in map(str, line):  # an option that a test gives again takes the place of the one above
            if word.startswith("-"):
                skip = word in seen
            if not skip:
                kept.append(word)
        return [*kept, *map(str, arguments)]

    return make


@pytest.fixture
def train(command, tmp_path):
    def run(output, *arguments, check=True, environment=None, data=None, **options):
        env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")} | (environment or {})
        done = subprocess.run(command(output, *arguments, data=data), capture_output=True, text=True, env=env, **options)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def checkpoint_bytes(folder, step):
    return {path.name: path.read_bytes() for path in sorted((folder / "checkpoints" / f"step-{step:08}").iterdir())}


def test_a_short_training_leaves_weights_logs_checkpoints_and_images(train, toy, tmp_path):
    done = train(tmp_path / "run", "--val-data", toy / "held-out", "--validate-every", 3, "--val-steps", 2, "--json")
    result = json.loads(done.stdout)
    assert result["output"] == str(tmp_path / "run" / "cfm-2x.safetensors") and result["steps"] == 6
    assert result["best_step"] in (3, 6) and result["best_psnr"] > 10
    with safe_open(result["output"], framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        assert file.metadata()["noising_step"] == "0"
    assert (config["in_channels"], config["out_channels"], config["channel_mult"]) == (6, 3, [1, 2])
    assert not config["use_linear_attn"]
    ema = load_file(tmp_path / "run" / "checkpoints" / "step-00000006" / "ema.safetensors")
    final = load_file(result["output"])
    assert ema.keys() == final.keys() and all(torch.equal(ema[name], final[name]) for name in ema)
    rows = metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    assert all(row["loss"] > 0 and row["gradient_norm"] > 0 and row["lr"] == 1e-3 for row in rows if row["step"] != 3)
    assert {"validation/psnr", "validation/start_psnr"} <= rows[1].keys()
    assert "step 6/6, loss" in done.stderr and "left" in done.stderr
    assert len(list((tmp_path / "run" / "images").glob("*.png"))) == 2
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))
    assert "lr=" in (tmp_path / "run" / "train.toml").read_text().replace(" ", "")


def test_a_run_stopped_by_a_signal_and_resumed_gives_the_same_bytes(train, command, tmp_path):
    long = ("--steps", 40, "--checkpoint-every", 0, "--log-every", 1)
    train(tmp_path / "whole", *long)
    process = subprocess.Popen(command(tmp_path / "parts", *long), stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step 2/"):
            break
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    assert process.wait() == 143, rest
    assert "resume" in rest
    stopped = [path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()]
    assert len(stopped) == 1 and "step-00000002" <= stopped[0] < "step-00000040"
    train(tmp_path / "parts", *long, "--resume")
    assert checkpoint_bytes(tmp_path / "parts", 40) == checkpoint_bytes(tmp_path / "whole", 40)
    assert (tmp_path / "parts" / "cfm-2x.safetensors").read_bytes() == (
        tmp_path / "whole" / "cfm-2x.safetensors"
    ).read_bytes()
    steps = [row["step"] for row in metrics(tmp_path / "parts")]
    assert steps == list(range(1, 41))


def test_a_run_killed_repeatedly_gives_the_same_bytes(train, command, tmp_path):
    """Such a run writes a checkpoint after every step, so most kills interrupt one being written or removed."""
    often = ("--steps", 16, "--checkpoint-every", 1, "--keep-checkpoints", 2, "--log-every", 1)
    train(tmp_path / "whole", *often)
    random = np.random.default_rng(1)
    kills = 0
    for attempt in range(40):
        resume = ("--resume",) if list((tmp_path / "parts").glob("checkpoints/step-*")) else ("--force",)
        process = subprocess.Popen(command(tmp_path / "parts", *often, *resume), stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("step "):
                break
        try:
            process.wait(timeout=random.uniform(0.0, 0.12))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        rest = process.stderr.read()
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL, rest
    assert kills >= 2
    train(tmp_path / "parts", *often, "--resume")
    assert checkpoint_bytes(tmp_path / "parts", 16) == checkpoint_bytes(tmp_path / "whole", 16)
    assert not list((tmp_path / "parts" / "checkpoints").glob(".*"))


def test_a_full_disk_leaves_the_last_good_checkpoint(train, tmp_path):
    train(tmp_path / "run", "--steps", 3)
    good = checkpoint_bytes(tmp_path / "run", 3)

    def small_files_only():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = train(tmp_path / "run", "--steps", 9, "--checkpoint-every", 2, "--resume", check=False,
                 preexec_fn=small_files_only)  # fmt: skip
    assert done.returncode == 1
    assert "step 4 was not written" in done.stderr and "training continues" in done.stderr
    assert "step 9 was not written" in done.stderr.splitlines()[-1]
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000003"]
    assert checkpoint_bytes(tmp_path / "run", 3) == good
    train(tmp_path / "run", "--steps", 9, "--resume")


def test_a_loss_that_is_not_finite_stops_the_run_with_a_diagnosis(train, tmp_path):
    done = train(tmp_path / "run", "--lr", "1e25", "--checkpoint-every", 1, check=False)
    assert done.returncode == 1
    text = done.stderr.splitlines()[-1]
    assert "not finite at step" in text and "learning rate 1e+25" in text and "gradient norm" in text
    assert "0" in text and ".png" in text and "checkpoints/step-" in text
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert all(torch.isfinite(x).all() for x in load_file(checkpoints[-1] / "model.safetensors").values())


def test_a_typo_in_the_configuration_names_the_nearest_option(train, tmp_path):
    (tmp_path / "train.toml").write_text("batch-size = 2\nlr-shedule = 'cosine'\n")
    done = train(tmp_path / "run", "--config", tmp_path / "train.toml", check=False)
    assert done.returncode == 2
    assert "lr-shedule" in done.stderr and "train.toml" in done.stderr and "did you mean 'lr-schedule'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_configuration_file_sets_options(train, tmp_path):
    (tmp_path / "train.toml").write_text("steps = 2\nchannel-mult = [1, 1]\nlr-schedule = 'cosine'\n")
    line = ["--config", tmp_path / "train.toml", "--steps", 4]  # the command line overrides it
    done = train(tmp_path / "run", *line, "--json")
    assert json.loads(done.stdout)["steps"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--data", "nowhere"), 2, ["nowhere", "does not exist"]),
        (("--data", "empty"), 2, ["empty"]),
        (("--precision", "float16"), 2, ["precision", "float16"]),
        (("--upsampling", "psi"), 2, ["psi", "pixel"]),
        (("--path", "gvp", "--sigma-min", 0.1), 2, ["--sigma-min must be at least 0"]),
        (("--noising-step-max", 1000), 2, ["from 0 to 1000", "at most 999"]),
        (("--noising-step", 5, "--noising-step-max", 4), 2, ["from 5 to 4"]),
        (("--crop-size", 33), 1, ["33"]),
        (("--model-channels", 40), 4, ["model_channels", "32"]),
        (("--init", "nowhere.safetensors"), 4, ["nowhere.safetensors"]),
        (("--val-data", "empty"), 2, ["empty"]),
        (("--resume",), 1, ["no intact checkpoint"]),
        (("--install-into", "nowhere"), 4, ["nowhere"]),
        (("--noiseless-loss", "cubes"), 2, ["'cubes'", "mse or patch-distance"]),
        (("--applies-to", "mine"), 2, ["'mine'", "any, generated or external"]),
    ],
)
def test_errors_are_reported_before_the_first_step(train, toy, tmp_path, arguments, code, words):
    (tmp_path / "empty").mkdir()
    done = train(tmp_path / "run", *arguments, check=False, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not re.search(r"step \d", done.stderr.splitlines()[-1]) or "--crop-size" in arguments


def test_a_folder_that_holds_a_run_is_not_overwritten(train, tmp_path):
    train(tmp_path / "run")
    before = checkpoint_bytes(tmp_path / "run", 6)
    done = train(tmp_path / "run", check=False)
    assert done.returncode == 2 and "resume" in done.stderr and "force" in done.stderr
    assert checkpoint_bytes(tmp_path / "run", 6) == before
    train(tmp_path / "run", "--force")
    assert checkpoint_bytes(tmp_path / "run", 6) == before


def test_resuming_from_an_older_checkpoint_requires_force(train, tmp_path):
    train(tmp_path / "run")
    done = train(tmp_path / "run", "--resume", "--resume-step", 3, check=False)
    assert done.returncode == 2 and "force" in done.stderr
    train(tmp_path / "run", "--resume", "--resume-step", 3, "--force", "--lr", 2e-3)
    assert [row["step"] for row in metrics(tmp_path / "run")] == [2, 4, 6]
    assert metrics(tmp_path / "run")[-1]["lr"] == 2e-3


def test_init_starts_from_weights_and_takes_their_network(train, tmp_path):
    train(tmp_path / "first", "--channel-mult", 1, 1)
    weights = tmp_path / "first" / "cfm-2x.safetensors"
    network = [word for word in map(str, NETWORK) if word.startswith("--")]
    line = ["--init", weights, "--lr", 1e-9, "--steps", 1]
    done = train(tmp_path / "second", *line, check=False)
    assert done.returncode == 4 and "do not fit the network" in done.stderr
    assert network
    done = subprocess.run(strip_network(done.args, network), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = load_file(weights), load_file(tmp_path / "second" / "cfm-2x.safetensors")
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-7


def test_one_network_learns_two_factors(train, fmboost, toy, tmp_path):
    """Contexts of 2x and 4x have the latents' size, so one batch holds both, and one file serves both entries."""
    for low in (16, 8):
        fmboost("encode", toy / "shapes", "-m", toy / "bundle", "-o", tmp_path / f"{low}", "--low", low, "--high", 32)
    bundle = write_identity_bundle(tmp_path / "bundle")
    both = ("--data", tmp_path / "16", tmp_path / "8", "--install-into", bundle)
    done = train(tmp_path / "run", *both, "--steps", 2)
    assert "a 2x and 4x coupling" in done.stderr and "on 48 pairs" in done.stderr
    assert done.stdout.strip() == str(tmp_path / "run" / "cfm-2x-4x.safetensors")
    entries = json.loads((bundle / "bundle.json").read_text())["couplings"]
    assert [entry["factor"] for entry in entries] == [2, 4]
    assert entries[0]["file"] == entries[1]["file"]
    refused = train(tmp_path / "external", *both, "--factor", 4, check=False)
    assert refused.returncode == 2 and "by 2, not by 4" in refused.stderr
    refused = train(tmp_path / "external", "--data", tmp_path / "16", "--val-data", tmp_path / "8", check=False)
    assert refused.returncode == 2 and "validation" in refused.stderr


def test_a_range_of_noising_steps_begins_at_0_and_reaches_weights_and_bundle(command, tmp_path):
    bundle = write_identity_bundle(tmp_path / "bundle")
    line = command(tmp_path / "run", "--noising-step-max", 300, "--install-into", bundle, "--steps", 1)
    given = line.index("--noising-step")
    del line[given : given + 2]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "leaks the target" not in done.stderr
    with safe_open(tmp_path / "run" / "cfm-2x.safetensors", framework="pt") as file:
        assert (file.metadata()["noising_step"], file.metadata()["noising_step_max"]) == ("0", "300")
    (entry,) = json.loads((bundle / "bundle.json").read_text())["couplings"]
    assert (entry["noising_step"], entry["noising_step_max"]) == (0, 300)


def test_a_coupling_for_generated_images_is_added_to_the_one_for_any(train, tmp_path):
    bundle = write_identity_bundle(tmp_path / "bundle")
    train(tmp_path / "any", "--install-into", bundle, "--steps", 1)
    tuning = ("--objective", "energy", "--noising-step", 0, "--noiseless-loss", "patch-distance", "--steps", 1)
    train(tmp_path / "generated", *tuning, "--install-into", bundle, "--applies-to", "generated")
    entries = json.loads((bundle / "bundle.json").read_text())["couplings"]
    assert [entry.get("applies_to") for entry in entries] == ["generated", None]
    refused = train(tmp_path / "again", *tuning, "--install-into", bundle, "--applies-to", "generated", check=False)
    assert refused.returncode == 2 and "for generated images" in refused.stderr


def test_a_resumed_energy_training_gives_the_same_bytes(train, tmp_path):
    tuning = ("--objective", "energy", "--noising-step-max", 300, "--noising-share", 0.5, "--checkpoint-every", 2)
    train(tmp_path / "whole", *tuning, "--steps", 4)
    train(tmp_path / "parts", *tuning, "--steps", 2)
    refused = train(tmp_path / "parts", *tuning[2:], "--resume", "--steps", 4, check=False)
    assert refused.returncode == 2 and 'flow.objective was "energy" and is "velocity"' in refused.stderr
    train(tmp_path / "parts", *tuning, "--resume", "--steps", 4)
    assert checkpoint_bytes(tmp_path / "parts", 4) == checkpoint_bytes(tmp_path / "whole", 4)
    assert len({row["loss"] for row in metrics(tmp_path / "whole")}) > 1


def strip_network(line, network):
    kept, skip = [], False
    for word in map(str, line):
        if word.startswith("-"):
            skip = word in network
        if not skip:
            kept.append(word)
    return [*kept, "--force"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_processes_with_half_the_batch_train_what_one_does(train, command, tmp_path):
    both = ("--steps", 4, "--clip-norm", 1)
    train(tmp_path / "one", "--batch-size", 4, *both)
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(command(tmp_path / "two", "--batch-size", 2, *both), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=os.environ | place | {"RANK": r, "LOCAL_RANK": r})
        for r in "01"
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == f"{tmp_path / 'two' / 'cfm-2x.safetensors'}\n" and outputs[1][0] == ""
    expected, found = (load_file(tmp_path / name / "checkpoints/step-00000004/exp_avg.safetensors") for name in ("one", "two"))
    # Of the largest of all: biases in front of a norm have gradients of nothing but rounding errors.
    largest = max(x.abs().max() for x in expected.values())
    assert largest > 0
    for name, x in expected.items():
        assert (found[name] - x).abs().max() <= 1e-4 * largest, name
    a, b = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert [row["loss"] for row in a] == pytest.approx([row["loss"] for row in b], rel=1e-4)


# --- the toy problem


def test_training_beats_bicubic_on_shapes(train, fmboost, toy, tmp_path):
    """From a folder of images to `upscale` with one's own weights. Docs: docs/training.md."""
    write_identity_bundle(tmp_path / "bundle")
    write_shapes(tmp_path / "shapes", 200)
    write_shapes(tmp_path / "held-out", 16, first_seed=1000)
    train(tmp_path / "run", "--val-data", tmp_path / "held-out", *RECIPE, "--validate-every", 400, "--steps", 400,
          "--checkpoint-every", 0, "--log-every", 50, "--install-into", tmp_path / "bundle", data=tmp_path / "shapes")  # fmt: skip
    last = metrics(tmp_path / "run")[-1]
    assert last["validation/psnr"] > last["validation/start_psnr"] + 3.5

    def upscale(small, big):
        fmboost("upscale", small, "-m", tmp_path / "bundle", "-o", big, "--force")

    ours, bicubic = upscaled_psnr(upscale, tmp_path)
    assert ours > bicubic + 2.5
