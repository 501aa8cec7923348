"""Seeds, counts, batches and shards: which images are the same."""

import json
import re

import numpy as np
import pytest
from images import pixels, text_chunk

PROMPT = ("-p", "a red sun", "--base-size", 32, "--flow-noise", 200)


def content(fmboost, names):
    return [(fmboost.folder / name).read_bytes() for name in names]


@pytest.fixture(scope="module")
def three(shared):
    """Seeds 5 to 7 in one run, and the bytes of each."""
    names = shared.generate(*PROMPT, "--seed", 5, "--count", 3, "-o", "three/").lines
    return dict(zip((5, 6, 7), content(shared, names), strict=True))


def test_the_same_seed_gives_the_same_bytes(fmboost, three):
    fmboost.generate(*PROMPT, "--seed", 5, "-o", "a.png")
    assert (fmboost.folder / "a.png").read_bytes() == three[5]


def test_a_count_is_single_runs_with_seeds_that_count_up(fmboost, three):
    fmboost.generate(*PROMPT, "--seed", 7, "-o", "a.png")
    assert (fmboost.folder / "a.png").read_bytes() == three[7]


def test_other_seeds_give_other_images(shared, three):
    a, b = (pixels(shared.folder / "three" / f"fmboost_{seed}.png") for seed in (5, 6))
    assert abs(a - b).mean() > 3


def test_each_image_of_a_count_carries_its_own_seed(shared, three):
    for seed in three:
        file = shared.folder / "three" / f"fmboost_{seed}.png"
        assert f"Seed: {seed}," in text_chunk(file, "parameters")[1]
        assert json.loads(text_chunk(file, "fmboost")[1])["settings"]["seed"] == seed


@pytest.mark.parametrize("batch", [2, 3, 8])
def test_members_of_a_batch_are_single_runs(shared, fmboost, three, batch):
    fmboost.generate(*PROMPT, "--seed", 5, "--count", 3, "--batch-size", batch)
    for seed in three:
        alone = pixels(shared.folder / "three" / f"fmboost_{seed}.png")
        member = pixels(fmboost.folder / f"fmboost_{seed}.png")
        assert alone.std() > 10
        assert abs(alone - member).max() <= 1  # sums are rounded in another order


def test_images_of_several_sizes_are_no_batch_and_still_right(fmboost):
    lines = [{"prompt": "sun", "size": size, "seed": seed} for seed, size in enumerate((64, 32, 32, 64))]
    text = "\n".join(map(json.dumps, lines)).encode()
    fmboost.generate("--prompts", "-", "--batch-size", 4, "-o", "%d.png", stdin=text)
    fmboost.generate("-p", "sun", "--size", 32, "--seed", 2, "-o", "alone.png")
    assert np.abs(pixels(fmboost.folder / "2.png") - pixels(fmboost.folder / "alone.png")).max() <= 1


def test_a_random_seed_is_reported_and_can_be_used_again(fmboost):
    found = []
    for _ in range(2):
        done = fmboost.generate("-p", "sun", "--seed", -1, "--json")
        seed = done.records[0]["seed"]
        assert re.search(rf"^random seed {seed}$", done.err, re.MULTILINE)
        found.append(seed)
    assert found[0] != found[1]
    assert min(found) >= 0
    fmboost.generate("-p", "sun", "--seed", found[0], "-o", "again.png")
    assert len(set(content(fmboost, ["again.png", f"fmboost_{found[0]}.png"]))) == 1


@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_large_seeds_are_kept_to_the_last_digit(fmboost, seed):
    (record,) = fmboost.generate("-p", "sun", "--seed", seed, "--json").records
    assert record["seed"] == seed
    assert record["output"] == f"fmboost_{seed}.png"


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, "1.5", "1e3", "x", ""])
def test_what_is_no_seed_is_refused(fmboost, seed):
    assert "--seed" in fmboost.generate("-p", "sun", "--seed", seed, code=2).err


def test_shards_are_the_whole_in_parts(fmboost):
    prompts = b"a red sun\na blue moon\n"
    arguments = ("--prompts", "-", "--count", 3, "--size", 32)
    whole = fmboost.generate(*arguments, "-o", "whole/", stdin=prompts).lines
    parts = []
    for i in range(4):
        lines = fmboost.generate(*arguments, "--shard", f"{i}/4", "-o", "parts/", stdin=prompts).lines
        assert len(lines) == (2 if i < 2 else 1)
        parts += lines
    assert sorted(name.removeprefix("parts/") for name in parts) == sorted(
        name.removeprefix("whole/") for name in whole
    )
    assert content(fmboost, sorted(parts)) == content(fmboost, sorted(whole))


def test_a_shard_may_be_empty(fmboost):
    assert fmboost.generate("-p", "sun", "--shard", "1/2").lines == []
    assert fmboost.names() == []
