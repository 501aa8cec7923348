"""What goes into an image besides its pixels, and what stays in it."""

import json

import pytest
from images import (
    EXIF_FOLDER,
    ORIENTATION,
    chunks,
    parse_parameters,
    ramp,
    reduced,
    swapped_profile,
    text_chunk,
    user_comment,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo

PROMPT = "a red sun, gray mountains: no (text:1.2)"


@pytest.fixture(scope="module")
def drawn(shared):
    shared.generate("-p", PROMPT, "-n", "blue, moon", "--size", "64x96", "--base-size", "32x64", "--guidance", 2.5,
                    "--steps", 3, "--flow-steps", 2, "--flow-solver", "midpoint", "--fidelity", 0.75, "-o", "drawn.png")  # fmt: skip
    return shared.folder / "drawn.png"


def test_parameters_are_what_a1111_readers_parse(drawn, shared):
    kind, text = text_chunk(drawn, "parameters")
    assert kind == "tEXt"
    prompt, negative, settings = parse_parameters(text)
    assert (prompt, negative) == (PROMPT, "blue, moon")
    model = json.loads(shared("inspect", "--json").out)["hash"]
    version = shared("--version").lines[0].removeprefix("fmboost ")
    assert settings == {
        "Steps": "3", "Sampler": "LCM", "CFG scale": "2.5", "Seed": "42", "Size": "32x64", "Model hash": model[:10],
        "Model": "fmboost default", "RNG": "CPU", "Hires resize": "64x96", "Flow steps": "2",
        "Flow solver": "midpoint", "Fidelity": "0.75", "Version": f"fmboost {version}",
    }  # fmt: skip


def test_everything_that_makes_the_image_is_in_it(drawn):
    kind, text = text_chunk(drawn, "fmboost")
    assert kind == "iTXt"
    assert text.startswith('{"schema":1,')
    assert text.isascii()
    content = json.loads(text)
    assert content["command"] == "generate"
    assert (content["device"], content["dtype"]) == ("cpu", "float32")
    wanted = {"prompt": PROMPT, "negative_prompt": "blue, moon", "seed": 42, "size": "64x96", "base_size": "32x64",
              "steps": 3, "guidance": 2.5, "upscale": True, "flow_steps": 2, "flow_solver": "midpoint", "fidelity": 0.75}  # fmt: skip
    assert wanted.items() <= content["settings"].items()
    assert len(content["model"]["hash"]) == 64


def test_there_is_no_time_in_it(drawn):
    assert [kind for kind, _ in chunks(drawn) if kind not in ("IDAT",)] == ["IHDR", "tEXt", "iTXt", "IEND"]


def test_without_boost_there_is_nothing_of_the_flow(fmboost):
    fmboost.generate("-p", "sun", "--no-upscale", "--sampler", "dpm++2m", "--karras")
    _, negative, settings = parse_parameters(text_chunk(fmboost.folder / "fmboost_42.png", "parameters")[1])
    assert negative == ""
    assert settings["Sampler"] == "DPM++ 2M Karras"
    assert settings["CFG scale"] == "1"
    assert not {"Hires resize", "Flow steps", "Flow solver", "Fidelity"} & settings.keys()


@pytest.mark.parametrize(("prompt", "kind"), [("sun", "tEXt"), ("très joli", "tEXt"), ("太陽 ☀", "iTXt")])
def test_text_is_latin_1_where_it_can_be(fmboost, prompt, kind):
    fmboost.generate("-p", prompt, "-o", "a.png")
    found, text = text_chunk(fmboost.folder / "a.png", "parameters")
    assert found == kind
    assert parse_parameters(text)[0] == prompt
    assert json.loads(text_chunk(fmboost.folder / "a.png", "fmboost")[1])["settings"]["prompt"] == prompt


def test_several_lines_are_kept(fmboost):
    line = json.dumps({"prompt": "sun\nmoon", "negative_prompt": "a\nb"}).encode()
    fmboost.generate("--prompts", "-", "-o", "a.png", stdin=line)
    assert parse_parameters(text_chunk(fmboost.folder / "a.png", "parameters")[1])[:2] == ("sun\nmoon", "a\nb")


def test_a_model_s_name_that_would_break_the_list_is_quoted(fmboost, bundles):
    fmboost.generate("-p", "sun", "-m", bundles.copy(name='a, "b": c'), "-o", "a.png")
    settings = parse_parameters(text_chunk(fmboost.folder / "a.png", "parameters")[1])[2]
    assert json.loads(settings["Model"]) == 'a, "b": c'
    assert settings["RNG"] == "CPU"


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
@pytest.mark.parametrize("prompt", ["a red sun", "太陽 ☀ \N{MUSICAL SYMBOL G CLEF}"])
def test_other_formats_carry_the_parameters_in_exif(fmboost, suffix, prompt):
    fmboost.generate("-p", prompt, "-o", f"a.{suffix}")
    fmboost.generate("-p", prompt, "-o", "a.png")
    comment = user_comment(fmboost.folder / f"a.{suffix}")
    assert comment == text_chunk(fmboost.folder / "a.png", "parameters")[1]


def source(path, **options):
    """An image with a profile, a camera's EXIF that turns it, and, in PNG, a text."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = 6, "Camera"
    exif.get_ifd(EXIF_FOLDER)[0x829A] = 0.5
    text = PngInfo()
    text.add_text("Author", "Jos\N{LATIN SMALL LETTER E WITH ACUTE}")
    text.add_itxt("Title", "太陽")
    image = ramp(24, 16)
    image.save(path, icc_profile=swapped_profile(), exif=exif, pnginfo=text, **options)
    return image


@pytest.mark.parametrize("after", ["png", "jpg", "webp"])
def test_upscale_keeps_profile_and_exif_and_turns_the_image(fmboost, after):
    for before in ("png", "jpg", "webp"):
        image = source(fmboost.folder / f"{before}.{before}", quality=95)
    turned = image.transpose(Image.Transpose.ROTATE_270)
    names = fmboost.upscale("png.png", "jpg.jpg", "webp.webp", "-o", f"out/{{name}}.{after}").lines
    for name in names:
        result = Image.open(fmboost.folder / name)
        exif = result.getexif()
        assert result.size == (32, 48)
        assert result.info["icc_profile"] == swapped_profile()
        assert (exif[ORIENTATION], exif[0x010F]) == (1, "Camera")
        assert float(exif.get_ifd(EXIF_FOLDER)[0x829A]) == 0.5
        assert abs(reduced(fmboost.folder / name, turned.size) - turned).max() < 16


def test_upscale_keeps_text(fmboost):
    source(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png")
    assert text_chunk(fmboost.folder / "b.png", "Author") == ("tEXt", "José")
    assert text_chunk(fmboost.folder / "b.png", "Title") == ("iTXt", "太陽")


def test_upscale_of_a_drawn_image_keeps_its_parameters(drawn, fmboost):
    fmboost.upscale(drawn, "-o", "b.png")
    assert text_chunk(fmboost.folder / "b.png", "parameters") == text_chunk(drawn, "parameters")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_strip_leaves_pixels_alone(fmboost, suffix):
    source(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "--strip", "-o", f"b.{suffix}")
    result = Image.open(fmboost.folder / f"b.{suffix}")
    assert not {"icc_profile", "exif", "Author", "Title"} & result.info.keys()
    assert not result.getexif()
    # Without its profile the image is sRGB: red and blue are where they look to be.
    turned = Image.open(fmboost.folder / "a.png").convert("RGB").transpose(Image.Transpose.ROTATE_270)
    found = reduced(fmboost.folder / f"b.{suffix}", turned.size)
    assert abs(found[..., ::-1] - turned).mean() < 12 < abs(found - turned).mean()
