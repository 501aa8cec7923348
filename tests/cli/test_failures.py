"""Interrupts, full disks, too little memory, and numbers out of range: a clear error, and nothing lost."""

import os
import resource
import signal

import pytest
from images import ramp
from PIL import Image
from runner import PLACE

LONG = ("generate", "-p", "sun", "--size", 64, "--steps", 20, "--count", 10000, *PLACE)


def complete_images(fmboost):
    """All files are whole images; returns how many there are."""
    for name in fmboost.names():
        Image.open(fmboost.folder / name).load()
    return len(fmboost.names())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_work_between_steps(fmboost, number):
    process = fmboost.start(*LONG, stdout=-1, stderr=-1)
    first = process.stdout.readline().decode().strip()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.decode().splitlines()[-1] == "error: interrupted"
    assert first == "fmboost_42.png"
    assert complete_images(fmboost) == 1 + len(out.splitlines())


def test_an_interrupt_in_the_flow_leaves_no_image(fmboost):
    ramp(64, 64).save(fmboost.folder / "a.png")
    process = fmboost.start("upscale", "a.png", "--flow-steps", 1000, "-v", *PLACE, stdout=-1, stderr=-1)
    process.stderr.readline()  # the model is open
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert fmboost.names() == ["a.png"]


def limited(which, amount):
    return lambda: resource.setrlimit(which, (amount, amount))


def test_a_full_disk_leaves_neither_image_nor_temporary(fmboost):
    """A limit on the size of files stands for a disk that is full."""
    done = fmboost.generate("-p", "sun", "--count", 2, code=3, preexec_fn=limited(resource.RLIMIT_FSIZE, 2000))
    assert "fmboost_42.png" in done.err
    assert "fmboost_43.png" in done.err
    assert done.out == ""
    assert fmboost.names() == []


def test_a_full_disk_keeps_what_was_there(fmboost):
    (fmboost.folder / "a.png").write_bytes(b"precious")
    limit = limited(resource.RLIMIT_FSIZE, 2000)
    fmboost.generate("-p", "sun", "-o", "a.png", "--force", code=1, preexec_fn=limit)
    ramp(64, 64).save(fmboost.folder / "b.png")
    fmboost.upscale("b.png", "-o", "a.png", "--force", code=1, preexec_fn=limit)
    assert (fmboost.folder / "a.png").read_bytes() == b"precious"
    assert fmboost.names() == ["a.png", "b.png"]


@pytest.mark.parametrize("command", ["generate", "upscale"])
def test_a_folder_that_cannot_be_written_into_is_named_before_any_work(fmboost, command):
    ramp().save(fmboost.folder / "in.png")
    (fmboost.folder / "file").write_text("")
    arguments = ("-p", "sun") if command == "generate" else ("in.png",)
    folders = ["file", "/proc"]
    if os.geteuid() != 0:  # nothing is closed to root
        (fmboost.folder / "closed").mkdir(mode=0o500)
        folders.append("closed")
    for folder in folders:
        done = getattr(fmboost, command)(*arguments, "-o", f"{folder}/deep/a.png", code=1)
        assert folder in done.err
        assert done.stages == []


@pytest.mark.parametrize("tile", ["auto", "off", "4096"])
@pytest.mark.parametrize("command", ["generate", "upscale"])
def test_what_does_not_fit_is_refused_with_the_figures_before_any_work(fmboost, command, tile):
    ramp(256, 256).save(fmboost.folder / "a.png")
    arguments = {"generate": ("-p", "sun"), "upscale": ("a.png",)}[command]
    done = getattr(fmboost, command)(*arguments, "--size", 8192, "--tile", tile, code=5,
                                     preexec_fn=limited(resource.RLIMIT_DATA, 3 * 2**30))  # fmt: skip
    assert "8192x8192" in done.err
    assert done.err.count("GiB") == 2
    assert "smaller" in done.err
    assert done.stages == []
    assert fmboost.names() == ["a.png"]


def test_one_that_does_not_fit_fails_alone(fmboost):
    lines = b'{"prompt": "sun", "size": 8192}\nmoon\n'
    limit = limited(resource.RLIMIT_DATA, 3 * 2**30)
    done = fmboost.generate("--prompts", "-", code=3, stdin=lines, preexec_fn=limit)
    assert "8192x8192" in done.err
    assert done.lines == ["fmboost_1_42.png"]


OUT_OF_RANGE = {
    "generate": [
        ("--sampler", "plms"),
        *(("--steps", value) for value in ("0", "1001", "99999999999999999999", "1.5", "010x", "")),
        *(("--guidance", value) for value in ("-1", "1001", "nan", "much")),
        *(("--count", value) for value in ("0", "1000001")),
        *(("--batch-size", value) for value in ("0", "1025")),
        *(("--shard", value) for value in ("1", "2/2", "0/0", "a/b", "0/99999999999999999999")),
    ],
    "upscale": [
        ("--color-fix", "paint"),
        *(("--seed", value) for value in ("-1", "18446744073709551616")),
    ],
    "both": [
        *(("--flow-steps", value) for value in ("0", "1001")),
        ("--flow-noise", "1000"),
        *(("--back-project", value) for value in ("-1", "17")),
        *(("--fidelity", value) for value in ("-0.1", "1.1", "nan", "high")),
        ("--flow-solver", "newton"),
        ("--upsampling", "loose"),
        *(("--tile", value) for value in ("63", "8193", "x", "")),
        *(("--tile-overlap", value) for value in ("-1", "99999999999999999999")),
        *(("--quality", value) for value in ("0", "101")),
        *(("--threads", value) for value in ("0", "4097")),
        *(("--device", value) for value in ("gpu", "cuda:-1")),
        ("--dtype", "int8"),
    ],
}


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [(command, *pair) for command in ("generate", "upscale") for pair in OUT_OF_RANGE[command]]
    + [(("generate", "upscale")[i % 2], *pair) for i, pair in enumerate(OUT_OF_RANGE["both"])],
)
def test_a_value_out_of_range_is_named_before_any_work(fmboost, command, option, value):
    ramp().save(fmboost.folder / "a.png")
    what = {"generate": ("-p", "sun"), "upscale": ("a.png",)}[command]
    done = fmboost(command, *what, option, value, "-o", "b.png", code=2)
    assert option.removeprefix("--").split("-")[-1] in done.err.replace("noising", "noise")
    assert done.stages == []
    assert fmboost.names() == ["a.png"]


def test_samplers_and_karras_that_do_not_go_together_are_refused(fmboost):
    assert "lcm" in fmboost.generate("-p", "sun", "--sampler", "lcm", "--karras", code=2).err
