"""fmboost-draw landscapes: captions in the order of the images, and the vocabulary."""

import json
import os

import pytest
from PIL import Image
from test_draw import draw, raw


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_captions_are_written_next_to_the_files(tmp_path):
    draw("landscapes", "--size", 32, "--count", 3, "--seed", 200, "-o", tmp_path)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["captions.jsonl"] + [f"landscapes_{seed}.png" for seed in (200, 201, 202)]
    captions = lines(tmp_path / "captions.jsonl")
    assert [line["seed"] for line in captions] == [200, 201, 202]
    for line in captions:
        assert list(line) == ["seed", "caption", "scene"]
        assert line["scene"]["seed"] == line["seed"]
        assert f"{line['scene']['sky']} sky" in line["caption"]
    with Image.open(tmp_path / "landscapes_200.png") as image:
        assert image.size == (32, 32)
        assert image.tobytes() == raw("landscapes", "--size", 32, "--seed", 200)


@pytest.mark.parametrize("threads", [1, 4])
def test_captions_of_a_stream_match_its_images(threads, tmp_path):
    file = tmp_path / "captions"
    arguments = ["--size", 24, "--count", 9, "--threads", threads, "--captions", file]
    images = raw("landscapes", *arguments)
    assert len(images) == 9 * 24 * 24 * 3
    captions = lines(file)
    assert [line["seed"] for line in captions] == list(range(100000, 100009))
    last = raw("landscapes", "--size", 24, "--seed", 100008, "--captions", file)
    assert images.endswith(last)
    assert lines(file) == captions[-1:]


def test_captions_can_be_piped():
    reader, writer = os.pipe()
    raw("landscapes", "--size", 16, "--count", 2, "--captions", f"/dev/fd/{writer}", pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert [json.loads(line)["seed"] for line in pipe] == [100000, 100001]


def test_words_are_those_of_the_captions(tmp_path):
    words = draw("words").stdout.decode().splitlines()
    assert words == sorted(set(words))
    assert "," in words
    file = tmp_path / "captions"
    raw("landscapes", "--size", 16, "--count", 500, "--captions", file)
    used = {word for line in lines(file) for word in line["caption"].replace(",", " ,").split()}
    assert used <= set(words)
    assert len(used) > 0.9 * len(words)


def test_landscapes_have_no_crops():
    done = draw("landscapes", "--crops", 4, "--raw", "-", code=2)
    assert b"--crops" in done.stderr
