"""Sources of export_bundle.py: old and new folders, single files, adapters, schedulers, and rejected inputs."""

import json
import shutil

import pytest
import torch
from conftest import CLIP
from diffusers import AutoencoderKL, UNet2DConditionModel
from fmboost_export import single_file
from fmboost_export.errors import ModelError
from fmboost_export.files import check_shapes
from fmboost_export.random_models import random_components
from fmboost_export.schedule import sampling_of
from fmboost_export.single_file import SD15_CONFIGS
from fmboost_export.source import load_folder
from ldm_layout import to_ldm
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel


@pytest.fixture
def copy(models, tmp_path):
    """A copy of a model's folder to modify."""
    return shutil.copytree(models.folder("ddim"), tmp_path / "copy")


def assert_same_components(found, expected):
    for component in ("unet", "vae", "text_encoder"):
        left, right = getattr(found, component).state_dict(), getattr(expected, component).state_dict()
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert found.tokenizer.vocab == expected.tokenizer.vocab
    assert found.tokenizer.merges == expected.tokenizer.merges


# --- folders


def test_a_folder_with_only_tokenizer_json_is_read(models, copy):
    from transformers import CLIPTokenizerFast

    CLIPTokenizerFast.from_pretrained(copy / "tokenizer", local_files_only=True).save_pretrained(copy / "new")
    shutil.rmtree(copy / "tokenizer")
    (copy / "new").rename(copy / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        (copy / "tokenizer" / name).unlink(missing_ok=True)
    (copy / "tokenizer" / "tokenizer_config.json").unlink()
    assert [path.name for path in (copy / "tokenizer").iterdir()] == ["tokenizer.json"]
    found, expected = load_folder(copy).tokenizer, load_folder(models.folder("ddim")).tokenizer
    assert found.vocab == expected.vocab and found.merges == expected.merges
    assert (found.start, found.end, found.pad, found.max_length) == (49406, 49407, 49407, 77)


def test_text_encoder_keys_are_read_with_and_without_prefix(models, copy):
    file = copy / "text_encoder" / "model.safetensors"
    bare = {name.removeprefix("text_model."): tensor for name, tensor in load_file(file).items()}
    for prefix in ("", "text_model."):
        tensors = {prefix + name: tensor for name, tensor in bare.items()}
        save_file(tensors | {prefix + "embeddings.position_ids": torch.arange(77)[None]}, file)
        assert_same_components(load_folder(copy), load_folder(models.folder("ddim")))


def test_an_autoencoder_with_the_old_attention_names_is_read(models, copy):
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    for new_name, old_name in old.items():
        tensors = {name.replace(f".{new_name}.", f".{old_name}."): tensor for name, tensor in tensors.items()}
    assert any(".proj_attn." in name for name in tensors)
    save_file(tensors, file)
    assert_same_components(load_folder(copy), load_folder(models.folder("ddim")))


def test_weights_in_pickles_are_read_as_tensors_only(models, copy, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    file.unlink()
    torch.save(tensors, file.with_suffix(".bin"))
    assert_same_components(load_folder(copy), load_folder(models.folder("ddim")))
    torch.save(tensors | {"more": Evil()}, file.with_suffix(".bin"))
    with pytest.raises(ModelError, match="contains more than tensors"):
        load_folder(copy)
    assert not (tmp_path / "ran").exists()


def test_weights_keep_the_stored_dtype_by_default(models, copy, run_export, tmp_path):
    for file in copy.glob("*/*model.safetensors"):
        save_file({key: tensor.half() for key, tensor in load_file(file).items()}, file)
    for flags, dtype in (((), torch.float16), (("--dtype", "float32"), torch.float32)):
        code, text = run_export("--model", copy, "-o", tmp_path / f"{dtype}", *flags)
        assert code == 0, text
        for file in (tmp_path / f"{dtype}").glob("*.pt"):
            assert {x.dtype for x in torch.jit.load(str(file)).parameters()} == {dtype}


# --- single files


@pytest.fixture
def configs(models):
    return models.folder("ddim")  # a diffusers folder holds the configurations of its components


def test_a_single_file_gives_the_same_model_as_the_folder(models, configs, tmp_path):
    expected = load_folder(models.folder("ddim"))
    file = tmp_path / "single.safetensors"
    save_file(to_ldm(expected.unet, expected.vae, expected.text_encoder), file)
    found = single_file.load_single_file(file, CLIP, configs)
    assert_same_components(found, expected)
    assert found.scheduler["_class_name"] == "PNDMScheduler" and found.name == "single"


def test_a_single_file_with_deeper_blocks_is_read_in_full(tmp_path):
    """Three levels of two layers: every kind of name in Stable Diffusion 1.5."""
    deep = {
        "block_out_channels": [32, 32, 64],
        "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    }
    components = random_components(unet=deep)
    for name, model in components.items():
        model.save_pretrained(tmp_path / name)
    shutil.copytree(SD15_CONFIGS / "scheduler", tmp_path / "scheduler")
    save_file(to_ldm(**components), tmp_path / "deep.safetensors")
    found = single_file.load_single_file(tmp_path / "deep.safetensors", CLIP, tmp_path)
    for name, tensor in components["unet"].state_dict().items():
        assert torch.equal(tensor, found.unet.state_dict()[name])


@pytest.mark.parametrize("name", single_file.GUIDANCE_NAMES)
def test_a_single_file_with_a_guidance_layer_is_an_lcm(models, configs, tmp_path, name):
    expected = load_folder(models.folder("lcm-guided"))
    tensors = to_ldm(expected.unet, expected.vae, expected.text_encoder)
    guidance = "model.diffusion_model.time_embedding.cond_proj.weight"
    tensors[f"model.diffusion_model.{name}"] = tensors.pop(guidance)
    save_file(tensors, tmp_path / "lcm.safetensors")
    found = single_file.load_single_file(tmp_path / "lcm.safetensors", CLIP, configs)
    assert_same_components(found, expected)
    assert found.unet.config.time_cond_proj_dim == 32 and found.scheduler["_class_name"] == "LCMScheduler"


def test_the_shipped_configurations_cover_all_published_keys():
    """Shapes only. Stable Diffusion 1.5 has 686 tensors in the UNet, 248 in the autoencoder, 197 in the text encoder."""
    read = lambda component: json.loads((SD15_CONFIGS / component / "config.json").read_text())  # noqa: E731
    with torch.device("meta"):
        originals = {
            "unet": UNet2DConditionModel.from_config(read("unet")),
            "vae": AutoencoderKL.from_config(read("vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**read("text_encoder"))),
        }
    tensors = to_ldm(**originals)
    components = single_file.split(tensors, "published")
    assert {component: len(found) for component, found in components.items()} == {"unet": 686, "vae": 248, "text_encoder": 197}
    converted = single_file.convert(components, "published", SD15_CONFIGS)
    for component in ("unet", "vae"):
        shapes = {name: tensor.shape for name, tensor in originals[component].state_dict().items()}
        check_shapes(converted[component], shapes, "published", component)
    assert sum(x.numel() for x in originals["unet"].parameters()) == 859_520_964


@pytest.mark.parametrize(
    ("name", "model"),
    [("conditioner.embedders.0.x", "Stable Diffusion XL"), ("cond_stage_model.model.x", "Stable Diffusion 2")],
)
def test_single_files_of_other_models_are_rejected_by_name(run_export, tmp_path, name, model):
    save_file({name: torch.zeros(1), "model.diffusion_model.x": torch.zeros(1)}, tmp_path / "other.safetensors")
    code, text = run_export("--model", tmp_path / "other.safetensors", "-o", tmp_path / "bundle")
    assert code == 4 and model in text and "other.safetensors" in text


def test_a_single_file_with_a_missing_tensor_is_rejected(models, configs, run_export, tmp_path):
    source = load_folder(models.folder("ddim"))
    tensors = to_ldm(source.unet, source.vae, source.text_encoder)
    del tensors["first_stage_model.decoder.conv_in.weight"]
    save_file(tensors, tmp_path / "part.safetensors")
    code, text = run_export("--model", tmp_path / "part.safetensors", "-o", tmp_path / "b", "--config", configs)
    assert code == 4 and "decoder.conv_in.weight" in text and len(text.splitlines()) == 1


# --- schedulers


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("PNDMScheduler", "ddim"),
        ("DDIMScheduler", "ddim"),
        ("LCMScheduler", "lcm"),
        ("EulerDiscreteScheduler", "euler"),
        ("EulerAncestralDiscreteScheduler", "euler-a"),
        ("DPMSolverMultistepScheduler", "dpm++2m"),
    ],
)
def test_schedulers_are_mapped_to_samplers(name, sampler):
    config = {"_class_name": name, "beta_start": 0.001, "beta_end": 0.01, "beta_schedule": "scaled_linear"}
    sampling = sampling_of(config | {"timestep_spacing": "trailing", "prediction_type": "v_prediction"}, None)
    assert sampling.sampler == sampler and sampling.prediction == "v_prediction"
    assert sampling.schedule["beta_start"] == 0.001 and sampling.schedule["timestep_spacing"] == "trailing"


def test_missing_fields_take_the_defaults_of_the_class():
    schedule = sampling_of({"_class_name": "LCMScheduler"}, None).schedule
    assert schedule == {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "train_steps": 1000,
        "steps_offset": 0, "set_alpha_to_one": True, "original_steps": 50, "timestep_scaling": 10.0,
    }  # fmt: skip
    schedule = sampling_of({"_class_name": "DDIMScheduler"}, None).schedule
    assert "timestep_spacing" not in schedule and schedule["set_alpha_to_one"] is True
    assert schedule["steps_offset"] == 1  # as the pipeline overrides it


def test_lcm_defaults_to_four_steps_and_its_own_guidance():
    plain, embedded = (sampling_of({"_class_name": "LCMScheduler"}, dim) for dim in (None, 256))
    assert (plain.steps, plain.guidance) == (4, 1.0)
    assert (embedded.steps, embedded.guidance) == (4, 8.5)
    karras = sampling_of({"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True}, None)
    assert karras.karras and (karras.steps, karras.guidance) == (25, 7.5)


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "HeunDiscreteScheduler"},
        {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True},
        {"_class_name": "DDIMScheduler", "prediction_type": "sample"},
        {"_class_name": "DDIMScheduler", "trained_betas": [0.1]},
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
        {},
    ],
)
def test_unsupported_schedulers_are_rejected(config):
    with pytest.raises(ModelError, match="scheduler"):
        sampling_of(config, None)


def test_another_default_sampler_has_its_own_steps_and_guidance():
    euler = {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True}
    chosen = sampling_of(euler, None, "lcm")
    assert (chosen.sampler, chosen.steps, chosen.guidance, chosen.karras) == ("lcm", 4, 1.0, False)


# --- damaged folders


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("unet/config.json", b"{", "is not JSON"),
        ("unet/config.json", b'{"block_out_channels": "many"}', "does not describe a UNet2DConditionModel"),
        ("unet/config.json", b'{"block_out_channels": [32, 64], "layers_per_block": 7}', "config.json"),
        ("vae/diffusion_pytorch_model.safetensors", b"", "not a readable safetensors file"),
        ("tokenizer/vocab.json", b'{"a": "b"}', "integers"),
        ("tokenizer/vocab.json", b'{"a": 1}', "<|startoftext|>"),
        ("tokenizer/merges.txt", b"\xff\xfe", "not UTF-8"),
        ("scheduler/scheduler_config.json", b'{"_class_name": "DDIMScheduler", "beta_start": "low"}', "scheduler"),
        ("text_encoder/config.json", b'{"hidden_size": 32, "num_attention_heads": 5}', "text_encoder"),
    ],
)
def test_errors_of_a_damaged_folder_name_the_file(copy, run_export, tmp_path, file, content, message):
    (copy / file).write_bytes(content)
    code, text = run_export("--model", copy, "-o", tmp_path / "b")
    assert code == 4 and message in text and len(text.splitlines()) == 1, text
    assert not (tmp_path / "b").exists()
