"""Bundles: the default one, damaged ones, and those that lack a part."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from bundles import COUPLINGS, WEIGHTS
from images import pixels, ramp, reduced
from runner import MODEL, PLACE


def files_of(description):
    """The files that a description names."""
    if isinstance(description, dict):
        found = [value for key, value in description.items()
                 if key in ("file", "words") and isinstance(value, str)]  # fmt: skip
        return {*found, *(name for value in description.values() for name in files_of(value))}
    return {name for value in description for name in files_of(value)} if isinstance(description, list) else set()


def description_of(folder):
    return json.loads((folder / "bundle.json").read_text())


FILES = sorted(files_of(description_of(MODEL)))


def draw(fmboost, folder, **options):
    """Needs every file of a bundle but the coupling of others' images, and the encoder when nothing is upscaled."""
    return fmboost.generate("-p", "sun", "--base-size", 32, "-m", folder, **options)


def use(fmboost, folder, name, **options):
    """A command that needs this file of a bundle."""
    if name != WEIGHTS:
        return draw(fmboost, folder, **options)
    ramp().save(folder.parent / "ramp.png")
    return fmboost.upscale(folder.parent / "ramp.png", "-m", folder, "-o", "a.png", **options)


@pytest.mark.parametrize("place", ["share/fmboost/models", "models"])
def test_the_default_model_is_found_from_the_executable_s_place(fmboost, tmp_path, place):
    (tmp_path / "bin").mkdir()
    fmboost.binary = shutil.copy2(fmboost.binary, tmp_path / "bin" / "fmboost")
    del fmboost.environment["FMBOOST_MODEL"]
    assert "FMBOOST_MODEL" in fmboost.generate("-p", "sun", "--no-upscale", code=4).err
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "default").symlink_to(MODEL)
    fmboost.generate("-p", "sun", "--no-upscale")


def test_the_option_goes_before_the_environment(fmboost):
    fmboost.generate("-p", "sun", "-m", MODEL, environment={"FMBOOST_MODEL": "/nowhere"})
    assert "/nowhere" in fmboost.generate("-p", "sun", "--force", code=4, environment={"FMBOOST_MODEL": "/nowhere"}).err


def test_a_missing_bundle_is_named(fmboost):
    assert "'nowhere'" in draw(fmboost, "nowhere", code=4).err
    assert "bundle.json" in draw(fmboost, ".", code=4).err
    ramp().save(fmboost.folder / "a.png")
    assert "'nowhere'" in fmboost.upscale("a.png", "-m", "nowhere", code=4).err


def test_a_bundle_inside_upscales_as_its_couplings_would(fmboost, bundles):
    nested = bundles.nested()
    for name, model in {"a.png": nested, "b.png": MODEL}.items():
        fmboost.generate("-p", "sun", "-m", model, "-o", name)
        fmboost.upscale(name, "-m", model, "-o", f"2x_{name}")
    for prefix in ("", "2x_"):
        assert np.array_equal(*(pixels(fmboost.folder / f"{prefix}{name}") for name in ("a.png", "b.png")))
    assert "inside" in fmboost("inspect", nested).out


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_in_every_file(fmboost, bundles, name):
    folder = bundles.copy()
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    for done in (use(fmboost, folder, name, code=4), fmboost("inspect", folder, "--verify", code=4)):
        assert name in done.err
        assert done.out == ""
    assert fmboost.names() == []


@pytest.mark.parametrize("name", sorted({coupling["file"] for coupling in COUPLINGS}))
@pytest.mark.parametrize("content", [None, b"", b"PK"])
def test_a_missing_empty_or_truncated_file_is_named(fmboost, bundles, name, content):
    folder = bundles.copy()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    for done in (use(fmboost, folder, name, code=4), fmboost("inspect", folder, "--verify", code=4)):
        assert name in done.err
        assert done.out == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "format"),
        ('{"format": "fmboost-bundle", "version": 99, "name": "x"}', "version"),
        ('{"format": "another", "version": 1}', "another"),
        ("[" * 100000, "bundle.json"),
    ],
)
def test_a_description_that_is_none_is_named(fmboost, tmp_path, content, said):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text(content)
    done = draw(fmboost, folder, code=4)
    assert "bundle.json" in done.err
    assert said in done.err


def test_a_diffusers_folder_is_recognized(fmboost, tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    assert "`fmboost import" in draw(fmboost, tmp_path, code=4).err


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.safetensors", "tokenizer/../../outside.safetensors"])
def test_a_bundle_names_nothing_outside_its_folder(fmboost, bundles, name):
    folder = bundles.copy()
    (folder.parent / "outside.safetensors").write_bytes(b"")
    part = description_of(folder)["denoiser"]
    bundles.describe(folder, denoiser=part | {"file": name})
    assert name in draw(fmboost, folder, code=4).err


def test_a_link_out_of_the_folder_is_not_followed(fmboost, bundles):
    folder = bundles.copy()
    shutil.move(folder / "denoiser.safetensors", folder.parent / "outside.safetensors")
    (folder / "denoiser.safetensors").symlink_to(folder.parent / "outside.safetensors")
    assert "denoiser.safetensors" in draw(fmboost, folder, code=4).err


def test_a_coupling_for_other_latents_is_refused(fmboost, bundles):
    folder = bundles.copy()
    network = COUPLINGS[0]["network"] | {"in_channels": 8, "out_channels": 4}
    bundles.describe(folder, couplings=[COUPLINGS[0] | {"network": network}])
    done = draw(fmboost, folder, code=4)
    assert "16" in done.err
    assert "4" in done.err


def test_a_tensor_of_another_shape_is_named(fmboost, bundles):
    def change(tensors):
        tensors["out.2.bias"] = np.zeros(3, np.float32)
        del tensors["out.2.weight"]

    ramp().save(fmboost.folder / "a.png")
    done = fmboost.upscale("a.png", "-m", bundles.with_weights(change), code=4)
    assert "out.2.bias" in done.err
    assert "out.2.weight" in done.err


def test_a_file_that_holds_no_weights_is_named(fmboost, bundles):
    folder = bundles.copy()
    (folder / "denoiser.safetensors").write_bytes(b"no weights")
    part = description_of(folder)["denoiser"]
    bundles.describe(folder, denoiser=part | {"sha256": hashlib.sha256(b"no weights").hexdigest()})
    done = draw(fmboost, folder, code=4)
    assert "denoiser.safetensors" in done.err
    assert len(done.err.splitlines()) <= 2


def test_an_upscaler_upscales_and_does_not_draw(fmboost, bundles):
    folder = bundles.upscaler()
    ramp(20, 10).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png")
    fmboost.upscale("a.png", "-o", "c.png", "-m", folder)
    assert np.array_equal(pixels(fmboost.folder / "b.png"), pixels(fmboost.folder / "c.png"))
    assert "no denoiser" in draw(fmboost, folder, code=4).err


def test_a_model_without_couplings_draws_and_does_not_upscale(fmboost, bundles):
    folder = bundles.plain()
    ramp(20, 10).save(fmboost.folder / "a.png")
    assert "no coupling" in fmboost.upscale("a.png", "-m", folder, code=4).err
    fmboost("generate", "-p", "sun", "-m", folder, "--steps", 1, "-o", "native.png", *PLACE)
    assert pixels(fmboost.folder / "native.png").shape == (256, 256, 3)
    done = draw(fmboost, folder, code=2)
    assert "--no-upscale" in done.err
    assert "--upscaler" in done.err


def test_couplings_of_one_kind_of_images_do_not_upscale_the_other(fmboost, bundles):
    ramp(20, 10).save(fmboost.folder / "a.png")
    kinds = {kind: bundles.copy(kind, couplings=[coupling | {"applies_to": kind} for coupling in COUPLINGS])
             for kind in ("generated", "external")}  # fmt: skip
    assert "no coupling for existing" in fmboost.upscale("a.png", "-m", kinds["generated"], code=4).err
    assert "--no-upscale" in draw(fmboost, kinds["external"], code=2).err


def test_another_bundle_upscales_what_one_draws(fmboost, bundles):
    plain = bundles.plain()
    chain = bundles.upscaler()
    fmboost.generate("-p", "a red sun", "--size", 32, "--guidance", 4, "--steps", 4, "-m", plain, "-o", "low.png")
    fmboost.generate("-p", "a red sun", "--base-size", 32, "--guidance", 4, "--steps", 4, "-m", plain, "--upscaler",
                     chain, "-o", "high.png")  # fmt: skip
    low = pixels(fmboost.folder / "low.png")
    assert low.std() > 20
    assert abs(reduced(fmboost.folder / "high.png", (32, 32)) - low).mean() < 12
    assert "no coupling" in fmboost.generate("-p", "sun", "--base-size", 32, "--upscaler", plain, code=None).err


def spoiled(value):
    def change(tensors):
        tensors["input_blocks.0.0.weight"] = np.full_like(tensors["input_blocks.0.0.weight"], value, np.float32)

    return change


def test_a_broken_result_is_an_error_and_never_a_image(fmboost, bundles):
    ramp(20, 10).save(fmboost.folder / "a.png")
    done = fmboost.upscale("a.png", "-m", bundles.with_weights(spoiled(np.nan)), code=4)
    assert "NaN" in done.err or "infinit" in done.err
    assert "cfm-2-4x.safetensors" in done.err
    assert fmboost.names() == ["a.png"]


def test_what_overflows_in_a_small_type_is_done_again_in_float32(fmboost, bundles):
    ramp(20, 10).save(fmboost.folder / "a.png")
    place = ("--device", "cpu", "--threads", "1", "-m", bundles.with_weights(spoiled(3e4)))
    done = fmboost("upscale", "a.png", "--flow-steps", 1, "--dtype", "float16", "-o", "b.png", *place)
    assert "float32" in done.err
    fmboost("upscale", "a.png", "--flow-steps", 1, "--dtype", "float32", "-o", "c.png", *place)
    assert abs(pixels(fmboost.folder / "b.png") - pixels(fmboost.folder / "c.png")).mean() < 8
