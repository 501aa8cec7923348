"""`fmboost import --lora` merges adapters like diffusers, and like their formula in float64."""

import json

import pytest
import torch
from conftest import CLIP
from fmboost_export.lora import fuse
from fmboost_export.random_models import save_folder
from fmboost_export.source import load_folder
from import_models import COMPONENTS, description, expected_tensors, make_components, save_single, tensors_of
from safetensors.torch import save_file

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"
FEED = "up_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj"
PROJECTION = "down_blocks.0.attentions.0.proj_in"
CONVOLUTION = "down_blocks.0.resnets.0.conv1"
DOWNSAMPLING = "down_blocks.0.downsamplers.0.conv"
TEXT = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.self_attn.out_proj", "encoder.layers.0.mlp.fc1")
LINEAR = (ATTENTION, OUT, FEED)
RANK = 3


@pytest.fixture(scope="module")
def components():
    return make_components()


@pytest.fixture(scope="module")
def folder(components, tmp_path_factory):
    path = tmp_path_factory.mktemp("lora") / "model"
    save_folder(components, {}, CLIP, path)
    return path


def factors(weight, seed):
    """The lower and upper factor for a layer's weight."""
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, *weight.shape[1:], generator=generator) / 10
    up = torch.randn(weight.shape[0], RANK, *[1] * (weight.ndim - 2), generator=generator) / 10
    return down, up


def layers(components, names, texts=TEXT):
    """(component, name, lower, upper) of every layer."""
    found = [("unet", name) for name in names] + [("text_encoder", name) for name in texts]
    for seed, (component, name) in enumerate(found):
        tensors = expected_tensors(components, component)
        full = ("text_model." if component == "text_encoder" else "") + name + ".weight"
        yield component, name, *factors(tensors[full], seed)


def kohya(components, names, alpha=None, texts=TEXT):
    tensors = {}
    for component, name, down, up in layers(components, names, texts):
        key = "lora_te_text_model_" if component == "text_encoder" else "lora_unet_"
        key += name.replace(".", "_")
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
        if alpha is not None:
            tensors[f"{key}.alpha"] = torch.tensor(float(alpha))
    return tensors


def peft(components, names, texts=TEXT):
    tensors = {}
    for component, name, down, up in layers(components, names, texts):
        key = f"text_encoder.text_model.{name}" if component == "text_encoder" else f"unet.{name}"
        tensors |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}
    return tensors


def merged(components, names, scale, texts=TEXT):
    """The tensors of the components with the adapter merged in float64."""
    result = {key: {name: x.double() for name, x in expected_tensors(components, key).items()} for key in COMPONENTS}
    for component, name, down, up in layers(components, names, texts):
        full = ("text_model." if component == "text_encoder" else "") + name + ".weight"
        change = up.double().flatten(1) @ down.double().flatten(1)
        result[component][full] = result[component][full] + scale * change.reshape(result[component][full].shape)
    return result


def assert_merged(bundle, expected, tolerance=1e-6):
    for component in COMPONENTS:
        found = tensors_of(bundle, component)
        assert found.keys() == expected[component].keys()
        for name, tensor in expected[component].items():
            assert (found[name].double() - tensor).abs().max() <= tolerance, name


def run(run_import, tmp_path, source, *arguments):
    done = run_import(source, "-o", tmp_path / "bundle", *arguments)
    assert done.returncode == 0, done.stderr
    return tmp_path / "bundle", done.stderr


@pytest.mark.parametrize("make", [kohya, peft])
@pytest.mark.parametrize("single", [False, True])
def test_linear_layers_are_merged(components, folder, run_import, tmp_path, make, single):
    save_file(make(components, LINEAR), tmp_path / "adapter.safetensors")
    source = save_single(components, tmp_path / "model.safetensors") if single else folder
    bundle, _ = run(run_import, tmp_path, source, "--lora", f"{tmp_path}/adapter.safetensors:0.7")
    assert_merged(bundle, merged(components, LINEAR, 0.7))
    assert "adapter.safetensors at 0.7" in description(bundle)["source"]


def test_convolutions_are_merged_with_alpha(components, folder, run_import, tmp_path):
    names = (PROJECTION, CONVOLUTION, DOWNSAMPLING, "conv_in", "time_embedding.linear_1")
    save_file(kohya(components, names, alpha=1.5), tmp_path / "locon.safetensors")
    bundle, _ = run(run_import, tmp_path, folder, "--lora", tmp_path / "locon.safetensors")
    assert_merged(bundle, merged(components, names, 1.5 / RANK))


def test_three_factors_of_convolutions_are_merged(components, folder, run_import, tmp_path):
    """LoCon's CP decomposition: a 1x1 convolution, a k x k convolution between ranks, a 1x1 convolution."""
    weight = expected_tensors(components, "unet")[f"{CONVOLUTION}.weight"]
    generator = torch.Generator().manual_seed(5)
    shapes = {"down": (RANK, weight.shape[1], 1, 1), "mid": (RANK, RANK, 3, 3), "up": (weight.shape[0], RANK, 1, 1)}
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    key = "lora_unet_" + CONVOLUTION.replace(".", "_")
    save_file({f"{key}.lora_{name}.weight": x for name, x in made.items()}, tmp_path / "cp.safetensors")
    bundle, _ = run(run_import, tmp_path, folder, "--lora", f"{tmp_path}/cp.safetensors:0.7")
    down, mid, up = (made[name].double() for name in shapes)
    expected = {key: {name: x.double() for name, x in expected_tensors(components, key).items()} for key in COMPONENTS}
    change = torch.einsum("or,rskl,si->oikl", up[:, :, 0, 0], mid, down[:, :, 0, 0])
    expected["unet"][f"{CONVOLUTION}.weight"] += 0.7 * change
    assert_merged(bundle, expected, tolerance=1e-5)


def test_several_add_up(components, folder, run_import, tmp_path):
    save_file(kohya(components, LINEAR), tmp_path / "a.safetensors")
    save_file(peft(components, LINEAR), tmp_path / "b.safetensors")
    bundle, _ = run(run_import, tmp_path, folder, "--lora", f"{tmp_path}/a.safetensors:0.5", "--lora",
                    f"{tmp_path}/b.safetensors:-0.2")  # fmt: skip
    assert_merged(bundle, merged(components, LINEAR, 0.3))


@pytest.mark.parametrize("make", [kohya, peft])
def test_diffusers_fuses_the_same(components, folder, run_import, tmp_path, make):
    names = (*LINEAR, PROJECTION, CONVOLUTION)
    save_file(make(components, names), tmp_path / "adapter.safetensors")
    source = load_folder(folder)
    fuse(source, tmp_path / "adapter.safetensors", 0.6)
    bundle, _ = run(run_import, tmp_path, folder, "--lora", f"{tmp_path}/adapter.safetensors:0.6")
    fused = {component: expected_tensors({component: getattr(source, component)}, component) for component in COMPONENTS}
    assert_merged(bundle, {component: {name: x.double() for name, x in fused[component].items()} for component in COMPONENTS})


def test_what_peft_itself_saves_is_merged(components, folder, run_import, tmp_path):
    """A LoraConfig with its own alpha, saved by diffusers with the settings in the metadata."""
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    source = load_folder(folder)
    config = LoraConfig(r=RANK, lora_alpha=6, target_modules=["to_q", "to_out.0", "conv1"], init_lora_weights=False)
    torch.manual_seed(0)
    source.unet.add_adapter(config)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=get_peft_model_state_dict(source.unet), weight_name="adapter.safetensors",
        unet_lora_adapter_metadata=config.to_dict() | {"peft_type": "LORA"},
    )  # fmt: skip
    source.unet.fuse_lora()
    bundle, _ = run(run_import, tmp_path, folder, "--lora", tmp_path / "adapter.safetensors")
    state = source.unet.state_dict()
    found, plain = tensors_of(bundle, "unet"), expected_tensors(components, "unet")
    changed = 0
    for name, tensor in found.items():
        module, _, kind = name.rpartition(".")
        expected = state.get(name, state.get(f"{module}.base_layer.{kind}"))
        assert (tensor - expected).abs().max() < 1e-5, name
        changed += not torch.equal(tensor, plain[name])
    assert changed > 10


@pytest.mark.parametrize("dora", [False, True])
def test_patterns_of_peft_are_merged(components, folder, run_import, tmp_path, dora):
    """Ranks and alphas by regular expressions, and DoRA's norms, as PEFT itself merges them."""
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    source = load_folder(folder)
    config = LoraConfig(
        r=RANK, lora_alpha=6, target_modules=["to_q", "to_k", "conv1"], init_lora_weights=False, use_dora=dora,
        rank_pattern={"down_blocks.*to_q": 2}, alpha_pattern={"down_blocks.*to_q": 16},
    )  # fmt: skip
    torch.manual_seed(0)
    source.unet.add_adapter(config)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=get_peft_model_state_dict(source.unet), weight_name="adapter.safetensors",
        unet_lora_adapter_metadata=config.to_dict() | {"peft_type": "LORA"},
    )  # fmt: skip
    source.unet.fuse_lora()
    bundle, _ = run(run_import, tmp_path, folder, "--lora", tmp_path / "adapter.safetensors")
    state, plain = source.unet.state_dict(), expected_tensors(components, "unet")
    changed = 0
    for name, tensor in tensors_of(bundle, "unet").items():
        module, _, kind = name.rpartition(".")
        expected = state.get(name, state.get(f"{module}.base_layer.{kind}"))
        assert (tensor - expected).abs().max() < 2e-5, name
        changed += not torch.equal(tensor, plain[name])
    assert changed > 10


def test_half_precision_is_rounded_once(components, run_import, tmp_path):
    save_file(kohya(components, LINEAR), tmp_path / "a.safetensors")
    file = save_single(components, tmp_path / "model.safetensors", torch.float16)
    bundle, _ = run(run_import, tmp_path, file, "--lora", tmp_path / "a.safetensors")
    half = {component: model.half() for component, model in make_components().items()}
    expected = merged({component: model.float() for component, model in half.items()}, LINEAR, 1.0)
    for component in COMPONENTS:
        for name, tensor in tensors_of(bundle, component).items():
            assert tensor.dtype == torch.float16
            assert (tensor.double() - expected[component][name]).abs().max() <= 2**-11 * expected[component][name].abs().max()


def test_an_lcm_lora_sets_the_default_sampler(components, folder, run_import, tmp_path):
    save_file(kohya(components, LINEAR), tmp_path / "lcm-lora-sdv1-5.safetensors")
    lora = ("--lora", tmp_path / "lcm-lora-sdv1-5.safetensors")
    bundle, said = run(run_import, tmp_path, folder, *lora)
    entry = description(bundle)["denoiser"]
    assert [entry[f"default_{key}"] for key in ("sampler", "steps", "guidance")] == ["lcm", 4, 1.0]
    assert "LCM-LoRA" in said
    bundle, said = run(run_import, tmp_path, folder, *lora, "--sampler", "euler", "--force")
    assert description(bundle)["denoiser"]["default_sampler"] == "euler" and "LCM-LoRA" not in said


# --- what does not fit

OTHER_KINDS = {"oft": "oft_blocks", "ia3": "on_input"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("unknown", "'lora_unet_nowhere' is missing from it"),
        ("shape", "where the layer is [32, 32]"),
        ("half", "lacks the upper factor"),
        ("xl", "Stable Diffusion XL"),
        ("dora", "has norms (DoRA) of another number"),
        ("oft", "is an OFT adapter, not a LoRA"),
        ("ia3", "is an IA3, not a LoRA"),
        ("nan", "NaN or infinity"),
        ("none", "is not a LoRA"),
        ("truncated", "adapter.safetensors' is not a valid .safetensors file"),
    ],
)
def test_a_lora_that_does_not_fit_is_rejected(components, folder, run_import, tmp_path, change, said):
    tensors, file = kohya(components, (ATTENTION,), texts=()), tmp_path / "adapter.safetensors"
    key = "lora_unet_" + ATTENTION.replace(".", "_")
    down, up = tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"]
    if change == "unknown":
        tensors |= {"lora_unet_nowhere.lora_down.weight": down.clone(), "lora_unet_nowhere.lora_up.weight": up.clone()}
    if change == "shape":
        tensors[f"{key}.lora_down.weight"] = down[:, :8].clone()
    if change == "half":
        del tensors[f"{key}.lora_up.weight"]
    if change == "xl":
        tensors |= {"lora_te2_x.lora_down.weight": down.clone(), "lora_te2_x.lora_up.weight": up.clone()}
    if change == "dora":
        tensors[f"{key}.dora_scale"] = torch.ones(5, 1)
    if change in OTHER_KINDS:
        tensors = {f"{key}.{OTHER_KINDS[change]}": down, f"{key}.alpha": torch.tensor(1.0)}
    if change == "nan":
        down[0, 0] = torch.nan
    save_file({"other": torch.zeros(1)} if change == "none" else tensors, file)
    if change == "truncated":
        file.write_bytes(file.read_bytes()[:-10])
    done = run_import(folder, "-o", tmp_path / "bundle", "--lora", file)
    assert done.returncode == 4 and said in done.stderr, done.stderr
    assert change == "nan" or "adapter.safetensors" in done.stderr
    assert not (tmp_path / "bundle").exists() and json.dumps([p.name for p in tmp_path.iterdir()]).count("tmp") == 0
