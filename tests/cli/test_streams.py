"""What goes to stdout, what to stderr, and what a terminal shows."""

import os
import pty
import re

import pytest
from images import ramp
from runner import PLACE

COMMON_KEYS = {"output", "seed", "width", "height", "seconds", "model", "error"}


def test_stdout_holds_paths_alone(fmboost):
    assert fmboost.generate("-p", "sun", "--count", 2).lines == ["fmboost_42.png", "fmboost_43.png"]


def test_progress_is_plain_lines_where_there_is_no_terminal(fmboost):
    done = fmboost.generate("-p", "sun", "--base-size", 32, "--steps", 2, "--count", 2)
    *lines, summary = done.err.splitlines()
    assert summary.startswith("2 done, 0 skipped, 0 failed, 0 left; ")
    assert lines == [
        "image 1 of 2: denoise, 2 steps",
        "image 1 of 2: flow 1, 1 steps",
        "image 2 of 2: denoise, 2 steps",
        "image 2 of 2: flow 1, 1 steps",
    ]


def test_json_has_a_line_a_image(fmboost):
    records = fmboost.generate("-p", "sun", "--base-size", 32, "--count", 2, "--json").records
    assert [record["seed"] for record in records] == [42, 43]
    for record in records:
        assert record.keys() == COMMON_KEYS | {"prompt"}
        assert (record["prompt"], record["width"], record["height"]) == ("sun", 64, 64)
        assert (record["model"], record["error"]) == ("fmboost default", None)
        assert set(record["seconds"]) == {
            "text", "denoise", "low_decode", "resize", "encode", "flow", "decode", "write"}
        assert all(seconds >= 0 for seconds in record["seconds"].values())
        assert (fmboost.folder / record["output"]).is_file()


def test_json_of_upscale_names_its_input(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.png")
    (record,) = fmboost.upscale("a.png", "--json").records
    assert record.keys() == COMMON_KEYS | {"input"}
    assert (record["input"], record["output"], record["error"]) == ("a.png", "a_2x.png", None)
    assert (record["width"], record["height"]) == (40, 20)


def test_json_tells_of_failures_too(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.png")
    (fmboost.folder / "b.png").write_bytes(b"")
    done = fmboost.upscale("b.png", "a.png", "--json", code=3)
    bad, good = done.records
    assert (bad["input"], bad["output"]) == ("b.png", None)
    assert "empty" in bad["error"]
    assert (good["input"], good["error"]) == ("a.png", None)
    assert bad["error"] in done.err


def test_quiet_says_nothing_but_errors(fmboost):
    assert fmboost.generate("-q", "-p", "").err == ""
    done = fmboost.generate("-q", "-p", "", code=1)
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert "fmboost_42.png" in done.err


def test_verbose_says_where_it_runs(fmboost):
    assert "cpu float32" in fmboost.generate("-v", "-p", "sun").err


def test_an_image_on_stdout_is_the_file(fmboost):
    fmboost.generate("-p", "sun", "-o", "a.png")
    for extra in ((), ("--json",), ("-v",)):
        assert fmboost.generate("-p", "sun", "-o", "-", *extra).bytes == (fmboost.folder / "a.png").read_bytes()
    assert fmboost.names() == ["a.png"]


def test_images_go_through_pipes(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png")
    done = fmboost.upscale("-", "-o", "-", stdin=(fmboost.folder / "a.png").read_bytes())
    assert done.bytes == (fmboost.folder / "b.png").read_bytes()


def test_an_image_from_stdin_has_a_name(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.png")
    assert fmboost.upscale("-", stdin=(fmboost.folder / "a.png").read_bytes()).lines == ["stdin_2x.png"]


@pytest.mark.parametrize("arguments", [("-o", "-"), (), ("--json",)])
def test_a_full_stdout_is_an_error(fmboost, arguments):
    with open("/dev/full", "wb") as full:
        done = fmboost.generate("-p", "sun", *arguments, stdout=full, code=1)
    assert "stdout" in done.err


def on_terminal(fmboost, *arguments, **environment):
    """What a terminal gets on stderr."""
    ours, theirs = pty.openpty()
    process = fmboost.start("generate", "--size", 64, "--steps", 3, *PLACE, *arguments, stdout=theirs, stderr=theirs,
                            environment=environment)  # fmt: skip
    os.close(theirs)
    received = b""
    try:
        while part := os.read(ours, 65536):
            received += part
    except OSError:  # Linux' way of saying that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return received.decode()


def test_a_terminal_shows_a_bar_that_is_taken_away(fmboost):
    text = on_terminal(fmboost, "-p", "sun")
    bars = re.findall(r"\r\x1b\[K\[1/1\] denoise +\[([#.]{24})\] (\d)/3", text)
    assert bars[-1] == ("#" * 24, "3")
    assert text.endswith("\r\x1b[Kfmboost_42.png\r\n"), "the path stands where the bar was"
    assert "image 1 of 1" not in text


def test_a_dumb_terminal_gets_plain_lines(fmboost):
    text = on_terminal(fmboost, "-p", "sun", TERM="dumb")
    assert "\x1b" not in text
    assert "image 1 of 1: denoise, 3 steps" in text


def test_a_quiet_terminal_gets_the_path(fmboost):
    assert on_terminal(fmboost, "-p", "sun", "-q") == "fmboost_42.png\r\n"


@pytest.mark.parametrize(
    ("environment", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
def test_colors_are_for_those_who_want_them(fmboost, environment, colored):
    text = on_terminal(fmboost, "-p", "", **environment)
    assert "warning" in text
    assert ("\x1b[33m" in text) == colored
