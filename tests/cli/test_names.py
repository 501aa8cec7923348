"""How results are named, and what may be overwritten."""

import json

import pytest
from images import ramp
from PIL import Image

THREE = ("-p", "a red sun", "--count", 3)


def expect_names(fmboost, arguments, names):
    assert fmboost.generate(*arguments).lines == names
    assert all(Image.open(fmboost.folder / name).size == (64, 64) for name in names)


def test_an_image_is_named_by_its_seed(fmboost):
    expect_names(fmboost, ("-p", "sun", "--seed", 7), ["fmboost_7.png"])


def test_images_of_several_prompts_are_numbered_too(fmboost):
    (fmboost.folder / "p.txt").write_text("sun\nmoon\n")
    names = ["fmboost_0_42.png", "fmboost_1_43.png", "fmboost_2_42.png", "fmboost_3_43.png"]
    expect_names(fmboost, ("--prompts", "p.txt", "--count", 2), names)


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("new/deep/", ["new/deep/fmboost_42.png", "new/deep/fmboost_43.png", "new/deep/fmboost_44.png"]),
        ("old", ["old/fmboost_42.png", "old/fmboost_43.png", "old/fmboost_44.png"]),
        ("a_%d.png", ["a_0.png", "a_1.png", "a_2.png"]),
        ("a%03d.webp", ["a000.webp", "a001.webp", "a002.webp"]),
        ("{index}-{seed}.JPG", ["0-42.JPG", "1-43.JPG", "2-44.JPG"]),
        ("{prompt}/{seed}.png", ["a_red_sun/42.png", "a_red_sun/43.png", "a_red_sun/44.png"]),
    ],
)
def test_output_may_be_a_folder_or_a_pattern(fmboost, output, names):
    (fmboost.folder / "old").mkdir()
    expect_names(fmboost, (*THREE, "-o", output), names)


def test_a_prompt_in_a_name_leads_nowhere_else(fmboost):
    names = {
        "../../etc/passwd": "etc_passwd.png",
        "a/b\\c:d*e?f": "a_b_c_d_e_f.png",
        "?": "image.png",
        "{seed} %d": "seed_d.png",
        "Größe 太陽": "Größe_太陽.png",
        "x" * 200: "x" * 80 + ".png",
        "太" * 100: "太" * 26 + ".png",
    }
    lines = "\n".join(json.dumps({"prompt": name}) for name in names)  # a plain line that starts with { would be JSON
    done = fmboost.generate("--prompts", "-", "--size", 8, "-o", "{prompt}.png", stdin=lines.encode())
    assert done.lines == list(names.values())
    assert fmboost.names() == sorted(names.values())


def test_formats_go_by_the_suffix(fmboost):
    for name, kind in {"a.jpeg": "JPEG", "a.webp": "WEBP", "b.PNG": "PNG"}.items():
        fmboost.generate("-p", "sun", "-o", name)
        assert Image.open(fmboost.folder / name).format == kind


@pytest.mark.parametrize(
    ("command", "output"),
    [("generate", name) for name in ("a.gif", "a", "{seed}")]
    + [("upscale", name) for name in ("a.png.txt", "o/a_%d.bmp")],
)
def test_an_unknown_suffix_is_refused_before_any_work(fmboost, command, output):
    ramp().save(fmboost.folder / "in.png")
    arguments = ("-p", "sun") if command == "generate" else ("in.png",)
    done = getattr(fmboost, command)(*arguments, "-o", output, code=2)
    assert ".png, .jpg, .webp or .tif" in done.err
    assert done.stages == []
    assert fmboost.names() == ["in.png"]


@pytest.mark.parametrize(
    ("output", "said"),
    [("a.png", "a.png"), ("{prompt}.png", "a_red_sun.png"), ("-", "-o -")],
)
def test_two_images_of_one_name_are_refused_before_any_work(fmboost, output, said):
    done = fmboost.generate(*THREE, "-o", output, code=2)
    assert said in done.err
    assert "{index}" in done.err
    assert done.stages == []
    assert fmboost.names() == []


def test_upscaled_images_are_named_by_source_and_factor(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.b.jpg")
    for arguments, name in {
        (): "a.b_2x.png",
        ("--scale", 1.5): "a.b_1.5x.png",
        ("--size", "40x20"): "a.b_40x20.png",
        ("-o", "out/"): "out/a.b.png",
        ("-o", "{name}-{index}.webp"): "a.b-0.webp",
    }.items():
        assert fmboost.upscale("a.b.jpg", *arguments).lines == [name]
        assert (fmboost.folder / name).is_file()


def test_upscaled_images_of_one_name_keep_their_suffix(fmboost):
    for name in ("a.jpg", "a.png"):
        ramp(20, 10).save(fmboost.folder / name)
    assert fmboost.upscale("a.jpg", "a.png", "-o", "out/").lines == ["out/a.png", "out/a.png.png"]


def test_upscaled_images_of_one_name_from_two_folders_are_refused(fmboost):
    for folder in ("x", "y"):
        (fmboost.folder / folder).mkdir()
        ramp(20, 10).save(fmboost.folder / folder / "a.png")
    done = fmboost.upscale("x", "y", "-o", "out/", code=2)
    assert "out/a.png" in done.err
    assert fmboost.names() == ["x", "y"]


@pytest.mark.parametrize("command", ["generate", "upscale"])
class TestAnExistingFile:
    @pytest.fixture
    def run(self, fmboost, command):
        """Makes three images, the second of which exists."""
        (fmboost.folder / "1.png").write_bytes(b"precious")
        if command == "generate":
            return lambda *arguments, **options: fmboost.generate(*THREE, "-o", "%d.png", *arguments, **options)
        (fmboost.folder / "in").mkdir()
        for i in range(3):
            ramp(20 + i, 10).save(fmboost.folder / "in" / f"{i}.png")
        return lambda *arguments, **options: fmboost.upscale("in", "-o", "./", *arguments, **options)

    def others(self, fmboost):
        return all(Image.open(fmboost.folder / name).format == "PNG" for name in ("0.png", "2.png"))

    def test_is_kept_and_named_while_the_rest_is_made(self, fmboost, run):
        done = run(code=3)
        assert "1.png" in done.err
        assert "--force" in done.err
        assert "--skip-existing" in done.err
        assert (fmboost.folder / "1.png").read_bytes() == b"precious"
        assert self.others(fmboost)
        assert len(done.lines) == 2

    def test_is_left_out_when_asked(self, fmboost, run):
        done = run("--skip-existing")
        assert (fmboost.folder / "1.png").read_bytes() == b"precious"
        assert self.others(fmboost)
        assert len(done.lines) == 2
        assert "1.png" in done.err

    def test_is_replaced_when_asked(self, fmboost, run):
        assert len(run("--force").lines) == 3
        assert Image.open(fmboost.folder / "1.png").format == "PNG"
        assert self.others(fmboost)


def test_a_single_existing_file_costs_no_work(fmboost):
    (fmboost.folder / "fmboost_42.png").write_bytes(b"precious")
    done = fmboost.generate("-p", "sun", code=1)
    assert done.stages == []
    assert (fmboost.folder / "fmboost_42.png").read_bytes() == b"precious"


def test_a_folder_of_the_result_s_name_is_not_written_over(fmboost):
    (fmboost.folder / "fmboost_42.png").mkdir()
    assert "fmboost_42.png" in fmboost.generate("-p", "sun", "--force", code=1).err
