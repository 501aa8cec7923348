"""Wrappers of the pipeline's networks that can be traced without fixing sizes, dtype or device.

A plain trace of the library models records dtype and device as constants: in the time embedding, after every attention, before
the decoder's up blocks, and in the text encoder's causal mask. The wrappers compute the same with the models' own layers and
take dtype and device from the weights.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .errors import ModelError


class Attention:
    """An attention processor like that of diffusers, but without casts."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        x = hidden_states
        if x.ndim == 4:
            x = x.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
        source = x if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (_split_heads(y, attn.heads) for y in (attn.to_q(x), attn.to_k(source), attn.to_v(source)))
        out = F.scaled_dot_product_attention(q, k, v)
        out = attn.to_out[1](attn.to_out[0](_join_heads(out)))
        if hidden_states.ndim == 4:
            out = out.transpose(1, 2).reshape(hidden_states.shape)
        if attn.residual_connection:
            out = out + hidden_states
        return out / attn.rescale_output_factor


def _split_heads(x, heads):
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _join_heads(x):
    return x.transpose(1, 2).flatten(2)


class TimeTable(nn.Module):
    """Sinusoidal embedding of timesteps, always in float32.

    The indices are an integer buffer, so that casting the module to half precision keeps them exact, and they move with the
    module.
    """

    def __init__(self, reference):
        super().__init__()
        half = reference.num_channels // 2
        self.exponent = -math.log(10000) / (half - reference.downscale_freq_shift)
        self.scale = getattr(reference, "scale", 1)
        self.cosine_first = reference.flip_sin_to_cos
        self.odd = reference.num_channels % 2
        self.register_buffer("index", torch.arange(half))

    def forward(self, timesteps):
        angles = timesteps[:, None] * torch.exp(self.index.to(torch.float32) * self.exponent) * self.scale
        waves = [angles.cos(), angles.sin()] if self.cosine_first else [angles.sin(), angles.cos()]
        return F.pad(torch.cat(waves, -1), (0, self.odd))


class Denoiser(nn.Module):
    """(x, timestep, text[, guidance]) -> the UNet's prediction."""

    def __init__(self, unet):
        super().__init__()
        unet.time_proj = TimeTable(unet.time_proj)
        unet.set_attn_processor(Attention())
        unet.get_time_embed = lambda sample, timestep: (
            unet.time_proj(timestep).type_as(unet.time_embedding.linear_1.weight)
        )
        self.unet = unet

    def forward(self, x, timestep, text, guidance=None):
        return self.unet(x, timestep, text, timestep_cond=guidance, return_dict=False)[0]


class Encoder(nn.Module):
    """pixels -> the posterior's mode, the first half of the moments."""

    def __init__(self, vae):
        super().__init__()
        vae.encoder.mid_block.attentions[0].set_processor(Attention())
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv or nn.Identity()

    def forward(self, pixels):
        return self.quant_conv(self.encoder(pixels)).chunk(2, 1)[0]


class Decoder(nn.Module):
    """latent -> pixels."""

    def __init__(self, vae):
        super().__init__()
        vae.decoder.mid_block.attentions[0].set_processor(Attention())
        self.post_quant_conv, self.decoder = vae.post_quant_conv or nn.Identity(), vae.decoder

    def forward(self, latent):
        return self.decoder(self.post_quant_conv(latent))


class TextEncoder(nn.Module):
    """CLIP's text transformer: ids -> the last hidden states after the final norm."""

    def __init__(self, clip):
        super().__init__()
        core = getattr(clip, "text_model", clip)
        activation = clip.config.hidden_act
        if activation not in ("quick_gelu", "gelu"):
            raise ModelError(f"the text encoder's hidden_act must be quick_gelu or gelu, got '{activation}'")
        self.quick = activation == "quick_gelu"
        self.tokens, self.positions = core.embeddings.token_embedding, core.embeddings.position_embedding
        self.layers, self.final = core.encoder.layers, core.final_layer_norm

    def forward(self, ids):
        x = self.tokens(ids) + self.positions.weight
        for layer in self.layers:
            x = x + self._attend(layer.self_attn, layer.layer_norm1(x))
            hidden = layer.mlp.fc1(layer.layer_norm2(x))
            hidden = hidden * torch.sigmoid(1.702 * hidden) if self.quick else F.gelu(hidden)
            x = x + layer.mlp.fc2(hidden)
        return self.final(x)

    @staticmethod
    def _attend(attn, x):
        q, k, v = (_split_heads(proj(x), attn.num_heads) for proj in (attn.q_proj, attn.k_proj, attn.v_proj))
        return attn.out_proj(_join_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
