"""Long prompts in chunks and a chosen layer of the text encoder, compared with diffusers."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from test_end_to_end import ddim_of, pipeline

ERROR = 1e-4  # of the largest value
SHORT = "a Red fox, jumping over 2 lazy dogs' fence"
LONG = ", ".join(f"{SHORT} -- number {i}" for i in range(12))  # 3 chunks
NEGATIVE = "blurry, low quality " * 30  # 2 chunks
SETTINGS = {"num_inference_steps": 3, "guidance_scale": 5.0, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def pipe(models):
    return ddim_of(pipeline(models.folder("ddim")))


@pytest.fixture
def draw(fmboost, models, tmp_path):
    """Runs `generate` at low resolution; returns its latent and stderr."""

    def run(prompt, *arguments, negative="", bundle=None, check=True):
        done = fmboost("generate", "-m", bundle or models.native("ddim"), "-p", prompt, "-n", negative, "-s", 7,
                       "--no-upscale", "--size", 64, "--steps", 3, "--guidance", 5, "--force", "--save-intermediates",
                       tmp_path / "i", "-o", tmp_path / "out.png", *arguments, check=check)  # fmt: skip
        if done.returncode:
            return None, done.stderr
        return load_file(tmp_path / "i" / "out_low_latent.safetensors")["latent"], done.stderr

    return run


def error(found, expected):
    assert found.shape == expected.shape and torch.isfinite(found).all()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def chunks_of(pipe, prompt):
    """Token ids (chunks, 77): 75 tokens of the prompt per chunk, between start and end, padded."""
    tokenizer = pipe.tokenizer
    ids = tokenizer(prompt, add_special_tokens=False, truncation=False).input_ids
    rows = [ids[i : i + 75] for i in range(0, max(len(ids), 1), 75)]
    rows = [[tokenizer.bos_token_id, *row, tokenizer.eos_token_id] for row in rows]
    return torch.tensor([row + [tokenizer.pad_token_id] * (77 - len(row)) for row in rows])


def states_of(pipe, prompt, chunks):
    """The states of separately encoded chunks, concatenated, followed by those of empty prompts."""
    rows = chunks_of(pipe, prompt)
    rows = torch.cat([rows, chunks_of(pipe, "").expand(chunks - len(rows), -1)])
    return torch.cat([pipe.text_encoder(row[None]).last_hidden_state for row in rows], 1)


def diffusers_latent(pipe, **inputs):
    generator = torch.Generator("cpu").manual_seed(7)
    return pipe(**inputs, **SETTINGS, output_type="latent", generator=generator).images


def latent_of_chunks(pipe, prompt, negative, chunks):
    return diffusers_latent(
        pipe,
        prompt_embeds=states_of(pipe, prompt, chunks),
        negative_prompt_embeds=states_of(pipe, negative, chunks),
    )


@pytest.mark.parametrize(
    ("prompt", "negative", "chunks"), [(LONG, "", 3), (LONG, NEGATIVE, 3), (SHORT, NEGATIVE, 2), (LONG[:10], "", 1)]
)
def test_chunks_are_encoded_separately_and_concatenated(pipe, draw, prompt, negative, chunks):
    assert max(len(chunks_of(pipe, text)) for text in (prompt, negative)) == chunks
    found, said = draw(prompt, "--long-prompt", "chunk", negative=negative)
    assert error(found, latent_of_chunks(pipe, prompt, negative, chunks)) < ERROR
    assert "was cut" not in said


def test_a_truncated_prompt_differs_and_warns(draw):
    whole, _ = draw(LONG, "--long-prompt", "chunk")
    cut, said = draw(LONG)
    assert error(cut, whole) > 10 * ERROR
    assert "this part was cut" in said and "--long-prompt chunk" in said


def test_prompts_of_one_chunk_are_unaffected(draw):
    assert torch.equal(draw(SHORT, "--long-prompt", "chunk")[0], draw(SHORT)[0])


def test_images_of_a_batch_are_not_padded_for_each_other(draw, fmboost, models, tmp_path):
    """A short prompt between two long ones: additional empty chunks would change it."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join([LONG, SHORT, LONG]))
    fmboost("generate", "-m", models.native("ddim"), "--prompts", prompts, "-s", 7, "--no-upscale", "--size", 64,
            "--steps", 3, "--guidance", 5, "--batch-size", 3, "--long-prompt", "chunk", "--save-intermediates",
            tmp_path / "batch", "-o", tmp_path / "{index}.png")  # fmt: skip
    for i, prompt in enumerate([LONG, SHORT, LONG]):
        together = load_file(tmp_path / "batch" / f"{i}_low_latent.safetensors")["latent"]
        assert error(together, draw(prompt, "--long-prompt", "chunk")[0]) < ERROR


def test_torchscript_networks_accept_one_length_only(draw, models):
    _, said = draw(LONG, "--long-prompt", "chunk", bundle=models.bundle("ddim"), check=False)
    assert "native denoiser" in said and "TorchScript program for 77 tokens" in said and "fmboost import" in said


# --- a layer of the text encoder


def layer_states(pipe, prompt, clip_skip):
    """As in diffusers' pipelines; their clip_skip is the number of skipped layers."""
    encoder = getattr(pipe.text_encoder, "text_model", pipe.text_encoder)
    hidden = pipe.text_encoder(chunks_of(pipe, prompt), output_hidden_states=True).hidden_states
    return encoder.final_layer_norm(hidden[-(clip_skip + 1)])


def layers_of(pipe):
    return pipe.text_encoder.config.num_hidden_layers


def test_one_is_the_last_layer(draw):
    assert torch.equal(draw(SHORT, "--clip-skip", 1)[0], draw(SHORT)[0])


def test_layers_equal_diffusers_clip_skip_minus_one(pipe, draw):
    for clip_skip in range(2, layers_of(pipe) + 1):
        expected = diffusers_latent(
            pipe,
            prompt_embeds=layer_states(pipe, SHORT, clip_skip - 1),
            negative_prompt_embeds=layer_states(pipe, "", clip_skip - 1),
        )
        assert error(draw(SHORT, "--clip-skip", clip_skip)[0], expected) < ERROR
        assert error(draw(SHORT)[0], expected) > 10 * ERROR


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_nonexistent_layers_are_rejected(pipe, draw, number):
    _, said = draw(SHORT, "--clip-skip", number, check=False)
    assert f"from 1 (the text encoder's last layer) to {layers_of(pipe)}" in said and str(number) in said


def test_torchscript_networks_have_no_selectable_layers(draw, models):
    _, said = draw(SHORT, "--clip-skip", 2, bundle=models.bundle("ddim"), check=False)
    assert "TorchScript program" in said


def test_both_are_stored_in_the_image_and_read_back(draw, fmboost, models, tmp_path):
    draw(LONG, "--clip-skip", 2, "--long-prompt", "chunk")
    text = Image.open(tmp_path / "out.png").text
    assert ", Clip skip: 2," in text["parameters"]
    assert '"clip_skip":2' in text["fmboost"] and '"long_prompt":"chunk"' in text["fmboost"]
    fmboost("generate", "--from", tmp_path / "out.png", "-m", models.native("ddim"), "-o", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out.png").read_bytes()
