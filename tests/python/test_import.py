"""`fmboost import` reads the same tensors as diffusers, in every storage format."""

import json
import shutil

import pytest
import torch
from conftest import CLIP, LCM
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from fmboost_export.random_models import SMALL_VAE, save_folder
from fmboost_export.schedule import sampling_of
from import_models import (
    assert_tensors_equal,
    description,
    expected_tensors,
    make_components,
    make_version_2,
    save_single,
    save_version_2,
    tensors_of,
)
from ldm_layout import to_ldm
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def components():
    return make_components()


@pytest.fixture(scope="module")
def saved(components, tmp_path_factory):
    """The model as a folder and as a file in the original layout."""
    base = tmp_path_factory.mktemp("import")
    save_folder(components, {}, CLIP, base / "folder")
    return base / "folder", save_single(components, base / "single.safetensors")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "copy")


@pytest.fixture
def imported(run_import, tmp_path):
    """Imports; returns the bundle and the output."""

    def run(source, *arguments, name="bundle"):
        done = run_import(source, "-o", tmp_path / name, *arguments)
        assert done.returncode == 0, done.stderr
        return tmp_path / name, done.stderr

    return run


# --- both layouts


def test_a_folder_keeps_every_tensor(components, saved, imported):
    bundle, said = imported(saved[0])
    assert_tensors_equal(bundle, components)
    assert description(bundle)["name"] == "folder" and "imported from folder" in description(bundle)["source"]
    assert sorted(path.name for path in bundle.iterdir()) == [
        "autoencoder.safetensors", "bundle.json", "denoiser.safetensors", "text_encoder.safetensors", "tokenizer",
    ]  # fmt: skip
    assert "not used" not in said


def test_a_chosen_layer_of_the_text_encoder_is_kept(saved, imported):
    bundle, _ = imported(saved[0], "--clip-skip", 2)
    assert description(bundle)["text_encoder"]["config"]["clip_skip"] == 1  # number of skipped layers
    assert "clip_skip" not in description(imported(saved[0], name="plain")[0])["text_encoder"]["config"]


def test_a_single_file_gives_the_same_tensors(components, saved, imported):
    bundle, said = imported(saved[1])
    assert_tensors_equal(bundle, components)
    assert "unused: 1 text_model.embeddings.position_ids" in said


def test_a_single_file_gives_the_same_bundle(saved, imported):
    size = ("--native-size", 64)  # which a file does not contain
    folder, single = (description(imported(source, *size, name=f"of-{source.name}")[0]) for source in saved)
    for component in ("denoiser", "autoencoder", "text_encoder", "tokenizer"):
        configs = [entry[component].pop("config", {}) for entry in (folder, single)]
        assert folder[component] == single[component], component
        for key in configs[0].keys() & configs[1].keys() - {"transformer_layers_per_block", "mid_block_add_attention"}:
            assert configs[0][key] == configs[1][key], key


def test_the_names_equal_those_of_diffusers_conversion(components, saved, imported):
    """diffusers needs configurations for renaming; the binary does not."""
    bundle, _ = imported(saved[1])
    ldm = load_file(saved[1])
    for component, convert in (("unet", convert_ldm_unet_checkpoint), ("vae", convert_ldm_vae_checkpoint)):
        expected = convert(dict(ldm), dict(components[component].config))
        found = tensors_of(bundle, component)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name].reshape(found[name].shape)) for name in found)


def test_deeper_networks_are_read_in_full(run_import, tmp_path):
    """Three levels of two layers: every kind of name in Stable Diffusion 1.5."""
    deep = make_components(
        block_out_channels=[32, 32, 64], layers_per_block=2,
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    )  # fmt: skip
    run_import(save_single(deep, tmp_path / "deep.safetensors"), "-o", tmp_path / "bundle")
    assert_tensors_equal(tmp_path / "bundle", deep)


def test_the_description_equals_the_exporters(saved, models, imported, run_export, tmp_path):
    code, text = run_export("--model", saved[0], "-o", tmp_path / "exported")
    assert code == 0, text
    ours, theirs = description(imported(saved[0])[0]), description(tmp_path / "exported")
    # Programs are made for latents that all levels divide; native networks take any.
    own = {"backend", "file", "sha256", "config", "encoder", "decoder", "vocab_sha256", "merges_sha256", "size_multiple"}
    for component in ("tokenizer", "text_encoder", "denoiser", "autoencoder"):
        left, right = ({key: value for key, value in entry[component].items() if key not in own} for entry in (ours, theirs))
        assert left == right, component
    for name in ("vocab.json", "merges.txt"):
        left, right = ((folder / "tokenizer" / name).read_text() for folder in (tmp_path / "bundle", tmp_path / "exported"))
        assert (json.loads(left) == json.loads(right)) if name == "vocab.json" else left == right


def test_a_file_with_diffusers_names_throughout_is_read(components, imported, tmp_path):
    tensors = {f"{component}.{name}": x for component, model in components.items() for name, x in model.state_dict().items()}
    save_file(tensors, tmp_path / "all.safetensors")
    assert_tensors_equal(imported(tmp_path / "all.safetensors")[0], components)


def test_an_original_file_may_contain_a_diffusers_unet(components, imported, tmp_path):
    tensors = {name: x for name, x in to_ldm(**components).items() if not name.startswith("model.")}
    tensors |= {f"model.diffusion_model.{name}": x for name, x in components["unet"].state_dict().items()}
    save_file(tensors, tmp_path / "mixed.safetensors")
    assert_tensors_equal(imported(tmp_path / "mixed.safetensors")[0], components)


# --- ways to store a folder


def test_text_encoder_keys_are_read_with_and_without_prefix(components, copy, imported):
    file = copy / "text_encoder" / "model.safetensors"
    bare = {name.removeprefix("text_model."): tensor for name, tensor in load_file(file).items()}
    for i, prefix in enumerate(("", "text_model.")):
        tensors = {prefix + name: tensor for name, tensor in bare.items()}
        save_file(tensors | {prefix + "embeddings.position_ids": torch.arange(77)[None]}, file)
        assert_tensors_equal(imported(copy, name=str(i))[0], components)


def test_a_folder_with_only_tokenizer_json_is_read(copy, saved, imported):
    from transformers import CLIPTokenizerFast

    CLIPTokenizerFast.from_pretrained(copy / "tokenizer", local_files_only=True).save_pretrained(copy / "new")
    shutil.rmtree(copy / "tokenizer")
    (copy / "tokenizer").mkdir()
    (copy / "new" / "tokenizer.json").rename(copy / "tokenizer" / "tokenizer.json")
    shutil.rmtree(copy / "new")
    found, expected = (
        description(imported(source, name=f"of-{source.name}")[0])["tokenizer"] for source in (copy, saved[0])
    )
    assert found == expected


@pytest.mark.parametrize("kind", ["variant", "shards", "variant shards", "old names"])
def test_other_storage_formats_are_read(components, copy, imported, kind):
    for component in ("unet", "vae"):
        file = copy / component / "diffusion_pytorch_model.safetensors"
        tensors = load_file(file)
        file.unlink()
        if "shards" in kind or kind == "variant":
            variant = "fp16" if "variant" in kind else None
            size = "50KB" if "shards" in kind else "10GB"
            components[component].save_pretrained(copy / component, max_shard_size=size, variant=variant)
            assert not file.exists()
        else:
            old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
            for new_name, old_name in old.items() if component == "vae" else ():
                tensors = {name.replace(f".{new_name}.", f".{old_name}."): x for name, x in tensors.items()}
            save_file(tensors, file)
    assert_tensors_equal(imported(copy)[0], components)


def test_training_weights_in_the_file_are_ignored(components, copy, imported):
    tensors = load_file(copy / "unet" / "diffusion_pytorch_model.safetensors")
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(copy / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    save_file({name: x + 1 for name, x in tensors.items()}, copy / "unet" / "diffusion_pytorch_model.non_ema.safetensors")
    (copy / "safety_checker").mkdir()
    bundle, said = imported(copy)
    assert_tensors_equal(bundle, components)
    assert "unused: 1 safety_checker/" in said


# --- dtypes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_keep_the_stored_dtype_by_default(components, imported, tmp_path, dtype):
    file = save_single(components, tmp_path / "model.safetensors", dtype)
    assert_tensors_equal(imported(file)[0], components, dtype)
    bundle, _ = imported(file, "--dtype", "bfloat16", name="asked")
    for component in ("unet", "vae", "text_encoder"):
        for name, tensor in expected_tensors(components, component).items():
            assert torch.equal(tensors_of(bundle, component)[name], tensor.to(dtype).to(torch.bfloat16))


# --- what a file holds beside the model


def test_unused_tensors_are_listed(components, imported, tmp_path):
    tensors = to_ldm(**components)
    ema = {"model_ema." + name.replace(".", ""): x.clone() for name, x in list(tensors.items())[:5]}
    extra = {"betas": torch.rand(9), "alphas_cumprod": torch.rand(9), "first_stage_model.loss.logvar": torch.rand(1),
             "something.else": torch.rand(2)}  # fmt: skip
    save_file(tensors | ema | extra, tmp_path / "model.safetensors")
    bundle, said = imported(tmp_path / "model.safetensors", "-v")
    assert_tensors_equal(bundle, components)
    for line in ("unused: 5 averaged copies", "unused: 2 the noise schedule", "unused: 1 something.else"):
        assert line in said
    assert all(name in said for name in (*ema, *extra))


def test_json_describes_the_import(components, saved, run_import, tmp_path):
    done = run_import(saved[1], "-o", tmp_path / "bundle", "--json")
    report = json.loads(done.stdout)
    assert report["output"] == str(tmp_path / "bundle") and report["error"] is None
    assert "Stable Diffusion" in report["what"]
    assert {file["file"]: file["tensors"] for file in report["files"]} == {
        "text_encoder.safetensors": len(expected_tensors(components, "text_encoder")),
        "denoiser.safetensors": len(components["unet"].state_dict()),
        "autoencoder.safetensors": len(components["vae"].state_dict()),
    }
    assert report["unused"][0]["names"] == ["text_model.embeddings.position_ids"]


# --- versions


@pytest.mark.parametrize("name", ["time_embed.cond_proj.weight", "time_embedding.cond_proj.weight"])
def test_a_guidance_embedding_makes_an_lcm(imported, tmp_path, name):
    components = make_components(guidance_embedding=32)
    tensors = to_ldm(**components)
    guidance = "model.diffusion_model.time_embedding.cond_proj.weight"
    tensors[f"model.diffusion_model.{name}"] = tensors.pop(guidance)
    save_file(tensors, tmp_path / "lcm.safetensors")
    bundle, _ = imported(tmp_path / "lcm.safetensors")
    assert_tensors_equal(bundle, components)
    entry = description(bundle)["denoiser"]
    assert entry["guidance_embedding"] == entry["config"]["time_cond_proj_dim"] == 32
    assert [entry[f"default_{key}"] for key in ("sampler", "steps", "guidance")] == ["lcm", 4, 8.5]


def test_version_2_is_read_with_its_text_encoder(imported, tmp_path):
    components = make_version_2()
    bundle, said = imported(save_version_2(components, tmp_path / "v2.safetensors"))
    assert_tensors_equal(bundle, components)
    entry = description(bundle)
    assert entry["denoiser"]["prediction"] == "v_prediction" and entry["denoiser"]["native_size"] == 768
    assert entry["denoiser"]["config"]["attention_head_dim"] == [1, 2]
    assert entry["text_encoder"]["config"]["hidden_act"] == "gelu" and entry["tokenizer"]["pad"] == 0
    assert "prediction type of the Stable Diffusion 2 file is unknown" in said and "the last text layer" in said


@pytest.mark.parametrize("by", ["flag", "metadata"])
def test_version_2_base_predicts_epsilon(imported, tmp_path, by):
    metadata = {"modelspec.prediction_type": "epsilon"} if by == "metadata" else None
    file = save_version_2(make_version_2(), tmp_path / "v2.safetensors", metadata)
    bundle, said = imported(file, *(["--prediction", "epsilon"] if by == "flag" else []))
    entry = description(bundle)["denoiser"]
    assert (entry["prediction"], entry["native_size"]) == ("epsilon", 512)
    assert "is unknown" not in said


def test_a_v_prediction_marker_is_detected(components, imported, tmp_path):
    save_file(to_ldm(**components) | {"v_pred": torch.zeros(0)}, tmp_path / "v.safetensors")
    assert description(imported(tmp_path / "v.safetensors")[0])["denoiser"]["prediction"] == "v_prediction"


SCHEDULERS = [
    {"_class_name": "PNDMScheduler"},
    {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
    LCM,
    {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True},
    {"_class_name": "EulerAncestralDiscreteScheduler", "beta_schedule": "linear", "beta_end": 0.02},
    {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True, "timestep_spacing": "leading"},
]


@pytest.mark.parametrize("changes", SCHEDULERS, ids=lambda changes: changes["_class_name"])
@pytest.mark.parametrize("bare", [False, True])
def test_schedulers_are_read_as_the_exporter_does(copy, imported, changes, bare):
    file = copy / "scheduler" / "scheduler_config.json"
    config = changes if bare else json.loads(file.read_text()) | changes
    file.write_text(json.dumps(config))
    entry, expected = description(imported(copy)[0])["denoiser"], sampling_of(config, None).fields()
    assert {key: entry[key] for key in expected} == expected


def test_flags_override_the_detected_values(saved, imported):
    bundle, _ = imported(saved[0], "--sampler", "euler", "--steps", 9, "--guidance", 3, "--prediction", "v_prediction",
                         "--beta-schedule", "linear", "--beta-start", 0.001, "--beta-end", 0.02, "--timestep-spacing",
                         "trailing", "--native-size", 128, "--name", "mine", "--license", "MIT")  # fmt: skip
    found = description(bundle)
    entry = found["denoiser"]
    assert [entry[f"default_{key}"] for key in ("sampler", "steps", "guidance")] == ["euler", 9, 3.0]
    schedule = entry["schedule"]
    assert (schedule["beta_schedule"], schedule["beta_start"], schedule["beta_end"]) == ("linear", 0.001, 0.02)
    assert schedule["timestep_spacing"] == "trailing" and entry["prediction"] == "v_prediction"
    assert (entry["native_size"], found["name"], found["license"]) == (128, "mine", "MIT")


# --- other autoencoders


@pytest.fixture
def other_vae():
    torch.manual_seed(5)
    config = dict(make_components(1)["vae"].config) | SMALL_VAE
    return AutoencoderKL.from_config(config).requires_grad_(False)


@pytest.mark.parametrize("layout", ["folder", "whole folder", "file", "original"])
def test_another_autoencoder_replaces_the_models(components, saved, other_vae, imported, tmp_path, layout):
    other_vae.save_pretrained(tmp_path / "other" / "vae")
    path = {"folder": tmp_path / "other" / "vae", "whole folder": tmp_path / "other",
            "file": tmp_path / "other" / "vae" / "diffusion_pytorch_model.safetensors"}.get(layout)  # fmt: skip
    if layout == "original":
        path = tmp_path / "vae.safetensors"
        tensors = to_ldm(**(components | {"vae": other_vae}))
        prefix = "first_stage_model."
        save_file({name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}, path)
    bundle, _ = imported(saved[1], "--vae", path)
    assert_tensors_equal(bundle, components | {"vae": other_vae})
    assert "autoencoder from" in description(bundle)["source"]


@pytest.mark.parametrize("as_file", [False, True])
def test_a_tiny_autoencoder_replaces_the_models(components, saved, imported, tmp_path, as_file):
    torch.manual_seed(6)
    tiny = AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4)
    tiny.save_pretrained(tmp_path / "taesd")
    path = tmp_path / "taesd" / "diffusion_pytorch_model.safetensors" if as_file else tmp_path / "taesd"
    bundle, _ = imported(saved[0], "--vae", path)
    assert_tensors_equal(bundle, components | {"vae": tiny})
    entry = description(bundle)["autoencoder"]
    assert (entry["factor"], entry["latent_channels"], entry["scale"], entry["shift"]) == (8, 4, 1.0, 0.0)


# --- couplings


def test_a_coupling_is_added_to_the_bundle(saved, models, imported):
    bundle, _ = imported(saved[0], "--cfm", models.cfm(), "--cfm-factor", 4, "--cfm-factor", 2)
    couplings, theirs = description(bundle)["couplings"], description(models.bundle("ddim"))["couplings"]
    assert [coupling.pop("factor") for coupling in couplings] == [2, 4]
    for coupling in couplings:
        left, right = ({k: v for k, v in c.items() if k not in ("file", "sha256", "factor")} for c in (coupling, theirs[0]))
        assert left == right
    assert {coupling["file"] for coupling in couplings} == {"cfm-2-4x.safetensors"}
    found, given = load_file(bundle / couplings[0]["file"]), load_file(models.cfm())
    assert found.keys() == given.keys() and all(torch.equal(found[name], given[name]) for name in given)


def test_an_older_bundle_is_replaced_only_with_force(saved, run_import, imported, tmp_path):
    imported(saved[0])
    before = (tmp_path / "bundle" / "bundle.json").read_bytes()
    again = run_import(saved[1], "-o", tmp_path / "bundle")
    assert again.returncode == 1 and "--force" in again.stderr
    assert (tmp_path / "bundle" / "bundle.json").read_bytes() == before
    assert run_import(saved[1], "-o", tmp_path / "bundle", "--force").returncode == 0
    assert description(tmp_path / "bundle")["name"] == "single"
    assert [path.name for path in tmp_path.iterdir() if "bundle" in path.name] == ["bundle"]
