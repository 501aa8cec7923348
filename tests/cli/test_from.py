"""generate --from: the same bytes again from what an image says of itself."""

import json

import pytest
from images import ramp, text_chunk
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SETTINGS = ("-p", "a red sun, très joli", "-n", "moon", "--size", "64x96", "--base-size", "32x64", "--guidance", 2.5,
            "--steps", 2, "--sampler", "euler-a", "--seed", 7, "--flow-noise", 150, "--flow-solver", "midpoint",
            "--upsampling", "pixel", "--fidelity", 0.8, "--back-project", 1, "--tile", 64, "--tile-overlap", 16)  # fmt: skip


def same(fmboost, first, second):
    return (fmboost.folder / first).read_bytes() == (fmboost.folder / second).read_bytes()


@pytest.mark.parametrize("output", ["a.png", "a.jpg", "a.webp"])
def test_the_bytes_are_the_same(fmboost, output):
    fmboost.generate(*SETTINGS, "--quality", 80, "-o", output)
    suffix = output.split(".")[1]
    fmboost.again(output, "-o", f"b.{suffix}")
    assert same(fmboost, output, f"b.{suffix}")


def test_whatever_was_left_to_the_bundle_is_the_same_too(fmboost):
    fmboost("generate", "-p", "sun", "--size", 64, "--steps", 2, "-o", "a.png")
    fmboost.again("a.png", "-o", "b.png")
    assert same(fmboost, "a.png", "b.png")


def test_without_boost(fmboost):
    fmboost.generate("-p", "sun", "--no-upscale", "--size", "33x65", "-o", "a.png")
    fmboost.again("a.png", "-o", "b.png")
    assert same(fmboost, "a.png", "b.png")


def test_one_of_a_count(fmboost):
    fmboost.generate("-p", "sun", "--count", 2, "--seed", 5)
    assert fmboost.again("fmboost_6.png", "-o", "again/").lines == ["again/fmboost_6.png"]
    assert same(fmboost, "fmboost_6.png", "again/fmboost_6.png")


def test_one_of_a_prompts_file(fmboost):
    lines = b'moon\n{"prompt": "sun", "seed": 3, "steps": 2, "size": "64x33"}\n'
    fmboost.generate("--prompts", "-", stdin=lines)
    fmboost.again("fmboost_1_3.png", "-o", "b.png")
    assert same(fmboost, "fmboost_1_3.png", "b.png")


def test_a_random_or_very_large_seed(fmboost):
    fmboost.generate("--prompts", "-", "-o", "a.png", stdin=json.dumps({"prompt": "sun", "seed": 2**64 - 1}).encode())
    done = fmboost.again("a.png", "-o", "b.png")
    assert same(fmboost, "a.png", "b.png")
    assert "random" not in done.err


def test_other_options_change_what_they_name(fmboost):
    fmboost.generate(*SETTINGS, "-o", "a.png")
    fmboost.again("a.png", "--seed", 8, "-o", "b.png")
    fmboost.generate(*(8 if part == 7 else part for part in SETTINGS), "-o", "c.png")
    assert same(fmboost, "b.png", "c.png")
    assert not same(fmboost, "a.png", "b.png")


def test_an_existing_image_is_not_overwritten(fmboost):
    fmboost.generate("-p", "sun")
    before = (fmboost.folder / "fmboost_42.png").read_bytes()
    fmboost.again("fmboost_42.png", "--seed", 42, code=1)
    fmboost.again("fmboost_42.png", "--force")
    assert (fmboost.folder / "fmboost_42.png").read_bytes() == before


def with_text(path, text):
    info = PngInfo()
    info.add_itxt("fmboost", text)
    ramp().save(path, pnginfo=info)


def test_an_image_of_another_program_is_refused(fmboost):
    ramp().save(fmboost.folder / "a.png")
    done = fmboost.again("a.png", code=2)
    assert "a.png" in done.err
    assert "no fmboost metadata" in done.err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema":"x"}', '{"schema":1}', '{"schema":1,"command":"generate"}']
)
def test_damaged_data_are_named(fmboost, text):
    with_text(fmboost.folder / "a.png", text)
    assert "a.png" in fmboost.again("a.png", code=2).err


def test_data_of_a_newer_version_are_refused(fmboost):
    fmboost.generate("-p", "sun", "-o", "a.png")
    content = json.loads(text_chunk(fmboost.folder / "a.png", "fmboost")[1])
    with_text(fmboost.folder / "b.png", json.dumps(content | {"schema": 2}))
    assert "newer" in fmboost.again("b.png", code=2).err


def test_hostile_data_are_refused(fmboost):
    fmboost.generate("-p", "sun", "-o", "a.png")
    content = json.loads(text_chunk(fmboost.folder / "a.png", "fmboost")[1])
    for key, value in {"threads": -5, "dtype": "int8", "device": "tpu", "quality": 1000, "tile_overlap": -1}.items():
        with_text(fmboost.folder / "b.png", json.dumps(content | {key: value}))
        assert str(value) in fmboost.again("b.png", "-o", "c.png", code=2).err
    with_text(fmboost.folder / "b.png", "[" * 100000)
    fmboost.again("b.png", "-o", "c.png", code=2)
    assert fmboost.names() == ["a.png", "b.png"]


@pytest.mark.parametrize(("name", "code"), [("missing.png", 1), ("text.png", 1)])
def test_what_cannot_be_read_is_named(fmboost, name, code):
    (fmboost.folder / "text.png").write_text("no image")
    assert name in fmboost.again(name, code=code).err


def test_another_model_is_taken_only_when_it_is_named(fmboost, bundles):
    fmboost.generate("-p", "sun", "-o", "a.png")
    other = bundles.copy(name="another")
    done = fmboost.again("a.png", "-o", "b.png", code=4, environment={"FMBOOST_MODEL": str(other)})
    assert "fmboost default" in done.err
    assert "another" in done.err
    assert "-m" in done.err
    done = fmboost.again("a.png", "-o", "b.png", "-m", other)
    assert "another" in done.err
    assert Image.open(fmboost.folder / "b.png").size == (64, 64)


def test_the_model_that_upscaled_must_be_named(fmboost, bundles):
    chain = bundles.upscaler()
    fmboost.generate("-p", "sun", "--base-size", 32, "--upscaler", chain, "-o", "a.png")
    assert "--upscaler" in fmboost.again("a.png", "-o", "b.png", code=4).err
    fmboost.again("a.png", "-o", "b.png", "--upscaler", chain)
    assert same(fmboost, "a.png", "b.png")


def test_an_image_read_from_a_stripped_copy_says_so(fmboost):
    fmboost.generate("-p", "sun", "-o", "a.png")
    Image.open(fmboost.folder / "a.png").save(fmboost.folder / "b.png")
    assert "stripped" in fmboost.again("b.png", code=2).err
