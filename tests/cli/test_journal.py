"""The journal of a batch, and continuing it after whatever ended it."""

import hashlib
import json
import random
import shutil
import signal
import subprocess
import time

import pytest
from runner import IMAGES, PLACE, QUICK, ROOT, Runner

PROMPTS = "sun\nmoon\ntree\nhouse\nboat\n"
BATCH = ("--prompts", "p.txt", "-o", "out/")
STARTED = ("generate", *BATCH, *QUICK, *PLACE)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hashes(folder):
    return {path.name: sha256(path) for path in folder.iterdir() if path.is_file()}


def unfinished(folder):
    """What must not be left: temporaries and claims."""
    return [path for path in folder.rglob("*") if ".tmp-" in path.name] + list(folder.glob(".fmboost/*.claims/*"))


@pytest.fixture
def batch(fmboost):
    """A runner in a folder with a prompts file."""
    (fmboost.folder / "p.txt").write_text(PROMPTS)
    return fmboost


@pytest.fixture(scope="module")
def undisturbed(binary, cache, tmp_path_factory):
    """The hashes of the batch's images."""
    runner = Runner(binary, tmp_path_factory.mktemp("undisturbed"), cache)
    (runner.folder / "p.txt").write_text(PROMPTS)
    runner.generate(*BATCH)
    return hashes(runner.folder / "out")


def test_a_line_tells_how_an_image_was_made(batch):
    batch.generate(*BATCH, "--seed", 7)
    lines = batch.journal()
    assert [line["prompt"] for line in lines] == PROMPTS.split()
    for line in lines:
        file = batch.folder / "out" / line["output"]
        assert (line["status"], line["error"], line["seed"]) == ("done", None, 7)
        assert (line["bytes"], line["sha256"]) == (file.stat().st_size, sha256(file))
        assert line["settings"]["steps"] == 1 and line["settings"]["prompt"] == line["prompt"]
        assert {"denoise", "low_decode", "write"} <= set(line["seconds"])
    assert unfinished(batch.folder / "out") == []


def test_an_upscaled_image_has_the_hash_of_its_input(fmboost):
    source = sorted(IMAGES.glob("*.png"))[0]
    fmboost.upscale(source, "-o", "out/")
    (line,) = fmboost.journal()
    assert (line["input"], line["input_sha256"]) == (str(source), sha256(source))
    assert line["sha256"] == sha256(fmboost.folder / "out" / line["output"])


def test_a_journal_can_be_elsewhere_or_nowhere(batch):
    batch.generate(*BATCH, "--journal", "j.jsonl")
    assert len((batch.folder / "j.jsonl").read_text().splitlines()) == 5
    assert not (batch.folder / "out" / ".fmboost").exists()
    batch.generate(*BATCH, "--no-journal", "--force")
    batch.generate("-p", "sun", "-o", "a.png")
    assert not (batch.folder / "out" / ".fmboost").exists()
    assert "--journal" in batch.generate("-p", "sun", "-o", "b.png", "--resume", code=2).err


def test_resume_makes_what_is_missing_or_damaged(batch, undisturbed):
    out = batch.folder / "out"
    batch.generate(*BATCH)
    first, second = sorted(undisturbed)[:2]
    (out / first).unlink()
    (out / second).write_bytes((out / second).read_bytes()[:-1] + b"?")
    done = batch.generate(*BATCH, "--resume", "--json")
    assert {record["output"] for record in done.records} == {f"out/{first}", f"out/{second}"}
    assert (done.summary["done"], done.summary["skipped"]) == (2, 3)
    assert f"'out/{first}' is missing" in done.err and f"'out/{second}' has changed" in done.err
    assert hashes(out) == undisturbed
    assert batch.generate(*BATCH, "--resume").lines == []


def test_resume_refuses_other_settings(batch):
    batch.generate(*BATCH)
    done = batch.generate(*BATCH, "--steps", 2, "--resume", code=2)
    assert "steps 2 instead of 1" in done.err and done.lines == []
    assert len(batch.generate(*BATCH, "--steps", 2, "--resume", "--force").lines) == 5
    assert {line["settings"]["steps"] for line in batch.journal()[5:]} == {2}


def test_resume_leaves_files_alone_that_it_does_not_know(batch, undisturbed):
    name = sorted(undisturbed)[0]
    (batch.folder / "out").mkdir()
    (batch.folder / "out" / name).write_bytes(b"mine")
    assert "already exists" in batch.generate(*BATCH, "--resume", code=3).err
    assert (batch.folder / "out" / name).read_bytes() == b"mine"


def test_resume_notices_another_input(fmboost):
    images = sorted(IMAGES.glob("*.png"))[:2]
    shutil.copy(images[0], fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "out/")
    shutil.copy(images[1], fmboost.folder / "a.png")
    assert "another content" in fmboost.upscale("a.png", "-o", "out/", "--resume").err
    assert fmboost.upscale("a.png", "-o", "out/", "--resume").lines == []


def test_failed_images_can_be_made_alone(fmboost):
    good, late = sorted(IMAGES.glob("*.png"))[:2]
    shutil.copy(good, fmboost.folder / "good.png")
    (fmboost.folder / "late.png").write_bytes(b"not yet")
    fmboost.upscale("good.png", "late.png", "-o", "out/", code=3)
    assert [line["status"] for line in fmboost.journal()] in (["done", "failed"],)
    shutil.copy(late, fmboost.folder / "late.png")
    (fmboost.folder / "out" / "good.png").unlink()
    assert fmboost.upscale("good.png", "late.png", "-o", "out/", "--retry-failed").lines == ["out/late.png"]
    assert fmboost.upscale("good.png", "late.png", "-o", "out/", "--resume").lines == ["out/good.png"]


def test_a_cut_off_line_is_repaired(batch, undisturbed):
    batch.generate(*BATCH)
    journal = batch.folder / "out" / ".fmboost" / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole[:-20])
    batch.generate(*BATCH, "--resume", "--force")
    assert hashes(batch.folder / "out") == undisturbed
    assert len(batch.journal()) == 5
    journal.write_text("damaged\n" + whole)
    done = batch.generate(*BATCH, "--resume")
    assert "1 damaged lines" in done.err and done.lines == []


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_batch_survives_signals_at_random_moments(batch, undisturbed, kill):
    out = batch.folder / "out"
    moments = random.Random(int(kill))
    for _ in range(4):
        process = batch.start(*STARTED, "--resume", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(moments.uniform(0.2, 1.5))
        process.send_signal(kill)
        process.communicate()
        assert process.returncode in (0, -kill, 128 + kill)  # -kill also before the handlers are installed
    batch.generate(*BATCH, "--resume")
    assert hashes(out) == undisturbed
    assert unfinished(out) == []
    made = [line["output"] for line in batch.journal() if line["status"] == "done"]
    assert sorted(made) == sorted(undisturbed)  # each once


def test_two_processes_share_a_folder(batch, undisturbed):
    processes = [batch.start(*STARTED, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ends = [process.communicate() for process in processes]
    assert hashes(batch.folder / "out") == undisturbed
    assert unfinished(batch.folder / "out") == []
    made = [line["output"] for line in batch.journal() if line["status"] == "done"]
    assert sorted(made) == sorted(undisturbed)
    for out, _ in ends:
        summary = json.loads(out.splitlines()[-1])["summary"]
        assert summary["done"] + summary["skipped"] + summary["failed"] == 5


def test_upscaling_takes_shards(fmboost):
    for name in "abcd":
        shutil.copy(sorted(IMAGES.glob("*.png"))[0], fmboost.folder / f"{name}.png")
    files = [f"{name}.png" for name in "abcd"]
    assert fmboost.upscale(*files, "-o", "out/", "--shard", "0/2").lines == ["out/a.png", "out/c.png"]
    task = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "2"}
    assert fmboost.upscale(*files, "-o", "out/", "--shard", "slurm", environment=task).lines == ["out/b.png", "out/d.png"]
    assert "Slurm" in fmboost.upscale("a.png", "-o", "out/", "--shard", "slurm", code=2).err


def test_the_summary_groups_reasons(fmboost):
    for name in "abc":
        (fmboost.folder / f"{name}.png").write_bytes(b"damaged")
    shutil.copy(sorted(IMAGES.glob("*.png"))[0], fmboost.folder / "d.png")
    done = fmboost.upscale("a.png", "b.png", "c.png", "d.png", "-o", "out/", "--json", code=3)
    assert (done.summary["done"], done.summary["failed"], done.summary["left"]) == (1, 3, 0)
    assert list(done.summary["reasons"].values()) == [3]
    assert done.summary["images_per_minute"] > 0 and done.summary["peak_memory"] > 10**7
    assert "1 done, 0 skipped, 3 failed" in done.err and "3 failed: " in done.err


def test_a_signal_asks_for_the_summary(batch):
    process = batch.start(*STARTED, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()  # the first image is there
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.decode().count(" done, ") == 2  # then, and at the end


def test_a_full_disk_stops_the_batch_and_it_can_be_resumed(batch, undisturbed):
    out = batch.folder / "out"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "none", out], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        done = batch.generate(*BATCH, "--json", code=1)
        assert "--resume" in done.err and done.summary["failed"] >= 1
        subprocess.run(["mount", "-o", "remount,size=10m", out], check=True)
        batch.generate(*BATCH, "--resume")
        assert hashes(out) == undisturbed and unfinished(out) == []
    finally:
        subprocess.run(["umount", out], check=True)


def test_contact_sheets(batch):
    batch.generate(*BATCH, "--sheet", "s.png")
    batch.generate("-p", "two dogs", "--count", 2, "-o", "d-%d.png", "--sheet", "t.png")
    assert batch("sheet", "out").lines == ["out/sheet.png"]
    assert sha256(batch.folder / "out" / "sheet.png") == sha256(batch.folder / "s.png")
    assert "already exists" in batch("sheet", "out", code=1).err
    assert "journal" in batch("sheet", ".", code=2).err


def gather(runner, *arguments, code=0):
    done = subprocess.run([ROOT / "scripts/slurm/gather.py", *map(str, arguments)], cwd=runner.folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def test_tasks_of_an_array_are_gathered(batch, undisturbed):
    for task in range(2):
        array = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "2", "FMBOOST": str(batch.binary)}
        subprocess.run(
            [ROOT / "scripts/slurm/generate.sbatch", "p.txt", "out", *map(str, (*QUICK, *PLACE[:-2]))],
            cwd=batch.folder, env=batch.environment | array, check=True, capture_output=True,
        )  # fmt: skip
        assert gather(batch, "out", "--expect", 5, code=0 if task else 3).stdout
    assert hashes(batch.folder / "out") == undisturbed
    assert sorted(line["output"] for line in batch.journal()) == sorted(undisturbed)
    name = sorted(undisturbed)[0]
    (batch.folder / "out" / name).write_bytes(b"damaged")
    assert f"'{name}' has changed" in gather(batch, "out", code=3).stderr
