"""`import` of files that it cannot use: what they are, and what to do. Sound models are imported in tests/python."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def checkpoint(fmboost):
    """Writes a file of tensors with these names, or shapes by name; returns its name."""

    def write(tensors, name="file.safetensors"):
        shapes = tensors if isinstance(tensors, dict) else dict.fromkeys(tensors, (4, 4, 3, 3))
        save_file({key: np.zeros(shape, np.float32) for key, shape in shapes.items()}, fmboost.folder / name)
        return name

    return write


def refused(fmboost, source, *arguments, code=4):
    done = fmboost("import", source, "-o", "bundle", *arguments, code=code)
    assert done.out == ""
    assert "bundle" not in fmboost.names() and not any(".tmp" in name for name in fmboost.names())
    return done.err


SD1 = {
    "model.diffusion_model.input_blocks.0.0.weight": (32, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,),
}


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ((*SD1, "conditioner.embedders.0.x"), "Stable Diffusion XL"),
        ((*SD1, "conditioner.embedders.0.x"), "a second text encoder"),
        (("model.diffusion_model.joint_blocks.0.x",), "Stable Diffusion 3"),
        (("double_blocks.0.img_attn.qkv.weight",), "Flux"),
        (SD1 | {"model.diffusion_model.input_blocks.0.0.weight": (32, 9, 3, 3)}, "Stable Diffusion 1 inpainting"),
        (SD1 | {"model.diffusion_model.input_blocks.0.0.weight": (32, 8, 3, 3)}, "InstructPix2Pix"),
        (("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight"), "--lora"),
        (("lora_unet_x.hada_w1_a",), "LoHa"),
        (("control_model.input_blocks.0.0.weight",), "ControlNet"),
        (("encoder.conv_in.weight", "decoder.conv_in.weight"), "--vae"),
        (("encoder.layers.0.weight", "decoder.layers.0.weight"), "TAESD"),
        (("time_embed.0.weight", "middle_block.1.qkv.weight"), "--cfm"),
        (("conv_first.weight", "body.0.rdb1.conv1.weight"), "ESRGAN"),
        (("conv_in.weight", "time_embedding.linear_1.weight"), "UNet"),
        (("transformer.h.0.attn.weight",), "an unknown kind"),
        ((), "an unknown kind"),
    ],
)
def test_other_files_are_told_apart_and_refused(fmboost, checkpoint, tensors, said):
    file = checkpoint(tensors)
    assert said in refused(fmboost, file) and file in refused(fmboost, file)
    assert said.removeprefix("--") in fmboost("inspect", file).out


@pytest.mark.parametrize("option", ["--vae", "--lora", "--cfm"])
def test_options_say_what_else_they_were_given(fmboost, checkpoint, option):
    model = checkpoint(SD1, "model.safetensors")
    other = checkpoint(("body.0.rdb1.conv1.weight",), "other.safetensors")
    err = refused(fmboost, model, option, other)
    assert "'file" in err or "other.safetensors" in err or "model.safetensors" in err


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.bin", "MODEL.PTH"])
def test_files_with_the_suffix_of_pytorch_and_other_content_are_refused(fmboost, name):
    (fmboost.folder / name).write_bytes(b"\x80\x02}.")
    assert "no file of torch.save" in refused(fmboost, name) and name in refused(fmboost, name)
    assert "torch.save" in fmboost("generate", "-m", name, "-p", "x", code=4).err


def test_files_of_no_known_kind_are_named(fmboost):
    (fmboost.folder / "model.gguf").write_bytes(b"GGUF")
    assert "'model.gguf'" in refused(fmboost, "model.gguf")


# --- damaged files


def header(entries, data=b""):
    text = json.dumps(entries).encode() if isinstance(entries, dict) else entries
    return struct.pack("<Q", len(text)) + text + data


A = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "only 0 bytes"),
        (b"PK\x03\x04" + bytes(60), "damaged PyTorch file"),
        (header({"a": A})[:-1], "declares a header"),
        (header({"a": A}, b"x"), "truncated"),
        (header({"a": A | {"data_offsets": [0, 1]}}, b"x"), "'a' of shape [2] needs 2 bytes"),
        (header({"a": A, "b": A}, b"xx"), "'b' overlaps"),
        (header({"a": A | {"data_offsets": [1, 3]}}, b"xxx"), "'a' leaves a gap"),
        (header(b'{"a":%b,"a":%b}' % ((json.dumps(A).encode(),) * 2), b"xx"), "'a' occurs twice"),
        (header(b"{"), "not valid JSON"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(fmboost, content, said):
    (fmboost.folder / "model.safetensors").write_bytes(content)
    err = refused(fmboost, "model.safetensors")
    assert "'model.safetensors'" in err and said in err
    assert said in fmboost("generate", "-m", "model.safetensors", "-p", "x", code=4).err


# --- usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.safetensors", "-o", "b"), "'nowhere.safetensors' does not exist"),
        (("model.safetensors",), "--output is required"),
        (("-o", "b"), "source is required"),
        (("model.safetensors", "-o", "b", "--lora", "no.safetensors"), "--lora: 'no.safetensors' does not exist"),
        (("model.safetensors", "-o", "b", "--lora", "model.safetensors:much"), "FILE:WEIGHT"),
        (("model.safetensors", "-o", "b", "--vae", "no"), "--vae: 'no' does not exist"),
        (("model.safetensors", "-o", "b", "--cfm", "no"), "--cfm: 'no' does not exist"),
        (("model.safetensors", "-o", "b", "--cfm-factor", "2"), "need a coupling network, --cfm"),
        (("model.safetensors", "-o", "b", "--steps", "0"), "--steps must be from 1 to 1000"),
        (("model.safetensors", "-o", "b", "--guidance", "nan"), "--guidance must be"),
        (("model.safetensors", "-o", "b", "--sampler", "heun"), "--sampler must be lcm, tcd"),
        (("model.safetensors", "-o", "b", "--prediction", "x0"), "--prediction must be epsilon or v_prediction"),
        (("model.safetensors", "-o", "b", "--beta-schedule", "cosine"), "--beta-schedule must be scaled_linear or linear"),
        (("model.safetensors", "-o", "b", "--beta-start", "2"), "beta_start"),
        (("model.safetensors", "-o", "b", "--native-size", "1"), "--native-size"),
        (("model.safetensors", "-o", "b", "--clip-skip", "0"), "--clip-skip must be from 1"),
        (("model.safetensors", "-o", "b", "--dtype", "int8"), "unknown dtype 'int8'"),
    ],
)
def test_wrong_options_are_named_before_any_work(fmboost, checkpoint, arguments, said):
    checkpoint(SD1, "model.safetensors")
    done = fmboost("import", *arguments, code=2)
    assert said in done.err, done.err
    assert fmboost.names() == ["model.safetensors"]


def test_an_existing_folder_is_kept(fmboost, checkpoint):
    model = checkpoint(SD1)
    (fmboost.folder / "bundle").mkdir()
    assert "--force" in fmboost("import", model, "-o", "bundle", code=1).err
    (fmboost.folder / "bundle" / "dear.txt").write_text("x")
    assert "not replaced" in fmboost("import", model, "-o", "bundle", "--force", code=1).err
    assert fmboost.names("bundle") == ["dear.txt"]


def test_half_a_folder_is_refused_by_what_it_lacks(fmboost):
    (fmboost.folder / "model" / "unet").mkdir(parents=True)
    err = refused(fmboost, "model")
    assert "is incomplete" in err and "no vae" in err


@pytest.mark.parametrize(
    ("kind", "said"), [("StableDiffusionXLPipeline", "a second text encoder"), ("FluxPipeline", "Flux"), (None, "no unet")]
)
def test_folders_of_other_models_are_named(fmboost, kind, said):
    (fmboost.folder / "model").mkdir()
    if kind:
        (fmboost.folder / "model" / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    assert said in refused(fmboost, "model")
