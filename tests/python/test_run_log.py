"""The logs of a training run, read by json and TensorBoard."""

import io
import json
import subprocess

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from train_probe import train_probe

# Steps 10 to 40, then again from 20 on with other losses, up to 60; validation every 20 steps.
STEPS = [10, 20, 30, 40, 50, 60]
LOSSES = [1 / 10, 1 / 20, 2 / 30, 2 / 40, 2 / 50, 2 / 60]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "log"
    subprocess.run([train_probe(), "log", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def events(run_folder):
    """As TensorBoard's server sees them."""
    return EventAccumulator(str(run_folder / "tensorboard"), size_guidance={"tensors": 0}).Reload()


def scalars(events, tag):
    return [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]


def test_tensorboard_reads_the_scalars_of_both_parts_of_the_run(events):
    read = scalars(events, "train/loss")
    assert [step for step, _ in read] == STEPS
    np.testing.assert_allclose([loss for _, loss in read], LOSSES, rtol=1e-6)
    assert [step for step, _ in scalars(events, "validation/psnr")] == [20, 40, 60]


def test_tensorboard_lists_scalars_and_images(events):
    plugins = {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in events.Tags()["tensors"]}
    assert plugins == {
        "train/loss": "scalars",
        "train/lr": "scalars",
        "validation/psnr": "scalars",
        "validation/sheet": "images",
    }


def test_tensorboard_shows_the_images(events):
    images = events.Tensors("validation/sheet")
    assert [event.step for event in images] == [20, 40, 60]
    width, height, png = images[0].tensor_proto.string_val[:3]
    assert (width, height) == (b"6", b"4")
    image = Image.open(io.BytesIO(png))
    assert image.size == (6, 4) and image.mode == "RGB"
    assert np.asarray(image).min() == np.asarray(image).max() == 191


def test_every_record_of_the_event_files_is_whole(run_folder):
    """Reads them with the checksums, record by record, without what TensorBoard hides of a restarted run."""
    steps = []
    for file in sorted((run_folder / "tensorboard").iterdir()):
        records = list(event_file_loader.LegacyEventFileLoader(str(file)).Load())
        assert records[0].file_version == "brain.Event:2"
        assert records[1].session_log.status == 1
        assert all(record.wall_time > 1.6e9 for record in records)
        steps += [(record.step, value.tag) for record in records for value in record.summary.value]
    assert len(steps) == len(set(steps)), "a step is there twice"
    assert {step for step, tag in steps if tag == "train/loss"} == set(STEPS)


def test_the_metrics_file_has_one_object_per_step(run_folder):
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == STEPS
    np.testing.assert_allclose([row["train/loss"] for row in rows], LOSSES)
    assert rows[1] == {"step": 20, "train/loss": 0.05, "train/lr": 3e-05, "validation/psnr": 20.05}


def test_the_images_are_also_files(run_folder):
    names = sorted(path.name for path in (run_folder / "images").iterdir())
    assert names == [f"validation-sheet-{step:08}.png" for step in (20, 40, 60)]
