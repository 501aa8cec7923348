"""Every size that is asked for is the size that comes out."""

import json

import pytest
from images import photograph, pixels, ramp, size
from runner import PLACE

# Without a coupling, with one, and with odd sides on either side of what the denoiser takes.
SIZES = ["1x1", "1x64", "64x1", "2x3", "31x33", "63x65", "127x64", "128x129", "129x128", "150x131", "200x40", "40x200"]


def test_generate_makes_exactly_what_is_asked_for(fmboost):
    lines = "\n".join(json.dumps({"prompt": "sun", "size": size}) for size in SIZES)
    records = fmboost.generate("--prompts", "-", "-o", "%d.png", "--json", stdin=lines.encode()).records
    assert [f"{record['width']}x{record['height']}" for record in records] == SIZES
    for record, wanted in zip(records, SIZES, strict=True):
        assert "{}x{}".format(*size(fmboost.folder / record["output"])) == wanted


def test_without_boost_too(fmboost):
    lines = "\n".join(json.dumps({"prompt": "sun", "size": size}) for size in SIZES)
    fmboost.generate("--prompts", "-", "-o", "%d.png", "--no-upscale", stdin=lines.encode())
    assert ["{}x{}".format(*size(fmboost.folder / f"{i}.png")) for i in range(len(SIZES))] == SIZES


def test_a_size_may_be_given_as_width_and_height(fmboost):
    fmboost.generate("-p", "sun", "-W", 70, "-H", 33)
    assert size(fmboost.folder / "fmboost_42.png") == (70, 33)


def test_a_low_resolution_image_is_native_by_default(fmboost):
    fmboost("generate", "-p", "sun", "--no-upscale", "--steps", 1, *PLACE)
    assert size(fmboost.folder / "fmboost_42.png") == (256, 256)


def test_a_boosted_image_is_1024_by_default(fmboost):
    done = fmboost("generate", "-p", "sun", "--steps", 1, "--flow-steps", 1, *PLACE)
    assert size(fmboost.folder / "fmboost_42.png") == (1024, 1024)
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["denoise, 1 steps", "flow 1, 1 steps"]


@pytest.mark.parametrize(
    ("base", "final", "stages"),
    [("32", "64", 1), ("32x64", "64x128", 1), ("32", "32", 0), ("64", "33", 0), ("32", "100", 1), ("32", "160", 2)],
)
def test_a_base_size_decides_how_far_there_is_to_go(fmboost, base, final, stages):
    done = fmboost.generate("-p", "sun", "--base-size", base, "--size", final)
    assert sum("flow" in line for line in done.err.splitlines()) == stages
    wanted = tuple(map(int, (final if "x" in final else f"{final}x{final}").split("x")))
    assert size(fmboost.folder / "fmboost_42.png") == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--base-size", "100x32"), ("100x32", "32", "128x32")),
        (("--base-size", "0x32"), ("0x32",)),
        (("--size", "0"), ("'0'", "8192")),
        (("--size", "8193"), ("8193", "8192")),
        (("--size", "64x8193"), ("64x8193", "8192")),
        (("--size", "64x"), ("64x",)),
        (("--size", "99999999999999999999"), ("8192",)),
        (("-W", "64"), ("-W", "-H")),
        (("-W", "0", "-H", "0"), ("0", "8192")),
        (("-W", "-1", "-H", "64"), ("-1", "8192")),
        (("-W", "64", "-H", "64", "--size", "64"), ("--size", "-W")),
    ],
)
def test_a_size_that_cannot_be_is_refused_before_any_work(fmboost, arguments, said):
    done = fmboost.generate("-p", "sun", *arguments, code=2)
    assert all(word in done.err for word in said), done.err
    assert done.stages == []
    assert fmboost.names() == []


@pytest.mark.parametrize(
    ("source", "arguments", "wanted"),
    [
        ((1, 1), (), (2, 2)),
        ((1, 1), ("--scale", 8), (8, 8)),
        ((600, 3), (), (1200, 6)),
        ((33, 17), ("--scale", 1.5), (50, 26)),
        ((33, 17), ("--scale", 8), (264, 136)),
        ((33, 17), ("--size", 100), (100, 52)),
        ((17, 33), ("--size", 100), (52, 100)),
        ((33, 17), ("--size", "67x34"), (67, 34)),
    ],
)
def test_upscale_makes_exactly_what_is_asked_for(fmboost, source, arguments, wanted):
    ramp(*source).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", *arguments, "-o", "b.png")
    assert size(fmboost.folder / "b.png") == wanted


def test_a_photograph_of_odd_size(fmboost):
    photograph(601, 333).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png", "--threads", 2)
    assert size(fmboost.folder / "b.png") == (1202, 666)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scale", 1), ("scale",)),
        (("--scale", "nan"), ("scale",)),
        (("--scale", 65), ("scale", "64")),
        (("--scale", "2x"), ("2x",)),
        (("--size", 20), ("33x17",)),
        (("--size", "33x17"), ("33x17",)),
        (("--size", "66x66"), ("66x66", "33x17", "66x34")),
        (("--scale", 64, "--size", 100), ("--size",)),
    ],
)
def test_an_upscalement_that_is_none_is_refused(fmboost, arguments, said):
    ramp(33, 17).save(fmboost.folder / "a.png")
    done = fmboost.upscale("a.png", *arguments, code=2)
    assert all(word in done.err for word in said), done.err
    assert fmboost.names() == ["a.png"]


def test_a_result_beyond_the_largest_is_refused(fmboost):
    ramp(10000, 3).save(fmboost.folder / "a.png")
    done = fmboost.upscale("a.png", code=2)
    assert "20000x6" in done.err
    assert "8192" in done.err


@pytest.mark.parametrize("tile", [64, 96])
def test_tiles_make_the_same_image(fmboost, tile):
    ramp(75, 51).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "whole.png", "--tile", "off")
    fmboost.upscale("a.png", "-o", "tiled.png", "--tile", tile, "--tile-overlap", 32)
    difference = abs(pixels(fmboost.folder / "whole.png") - pixels(fmboost.folder / "tiled.png"))
    assert difference.max() <= 1
