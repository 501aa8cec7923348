"""Captioned latents: the files of draw_latents.py and the batches made from them."""

import json

import numpy as np
import pytest
import torch

import captioned_latents
import draw_latents
import networks


def test_each_image_is_followed_by_its_mirror_image():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    pixels = draw_latents.with_mirrored(list(images)).permute(0, 2, 3, 1).numpy()
    first, second = images
    assert np.array_equal(pixels, np.stack([first, first[:, ::-1], second, second[:, ::-1]]))


@pytest.mark.parametrize("more", ["", "third\n", "third\nfour", "thi"])
def test_drawing_resumes_after_the_last_complete_pair(tmp_path, more):
    file = tmp_path / "captions.jsonl"
    assert draw_latents.whole_pairs(file) == 0
    file.write_text("one\none\n" + more)
    assert draw_latents.whole_pairs(file) == 1
    assert file.read_text() == "one\none\n"


@pytest.fixture
def folder(tmp_path):
    latents = draw_latents.open_latents(tmp_path, 6)
    latents[:] = np.arange(6)[:, None, None, None]
    latents.flush()
    (tmp_path / captioned_latents.SCALING).write_text(json.dumps({"scale": 2.0, "shift": 1.0}))
    (tmp_path / "captions.jsonl").touch()
    return tmp_path


def write(folder, text):
    with (folder / "captions.jsonl").open("a") as file:
        file.write(text)


def line(caption):
    return json.dumps({"caption": caption, "scene": {}})


def test_batches_use_the_complete_lines(folder, monkeypatch):
    monkeypatch.setattr(captioned_latents, "class_of", lambda name, scene: 0)
    with pytest.raises(SystemExit, match="no latents yet"):
        captioned_latents.CaptionedLatents(folder, dropped=0)
    write(folder, line("the moon") + "\n" + line("the sun") + "\n" + line("a la"))
    data = captioned_latents.CaptionedLatents(folder, dropped=0)
    assert data.count == 3 - 1
    torch.manual_seed(0)
    assert set(data.choose(100).tolist()) == {0, 1}
    write(folder, "\n")
    data.grow()
    assert data.count == 3
    latent, ids = data.batch(64)
    shown = (latent[:, 0, 0, 0] / 2 + 1).long()
    assert latent.shape[1:] == (networks.LATENT_CHANNELS, 64, 64) and set(shown.tolist()) == {0, 1, 2}
    words = {word: i for i, word in enumerate(data.words)}
    expected = torch.tensor([captioned_latents.token_ids(text, words) for text in ("the moon", "the sun", "a la")])
    assert torch.equal(ids, expected[shown])


def test_captions_are_dropped_at_the_given_rate(folder, monkeypatch):
    monkeypatch.setattr(captioned_latents, "class_of", lambda name, scene: 0)
    write(folder, line("the moon") + "\n")
    data = captioned_latents.CaptionedLatents(folder, dropped=0.25)
    torch.manual_seed(0)
    ids = data.batch(1000)[1]
    assert (ids == data.null).all(1).float().mean().item() == pytest.approx(0.25, abs=0.05)
