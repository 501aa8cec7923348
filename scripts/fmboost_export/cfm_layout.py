"""Options, tensor names and shapes of the published CFM network (https://github.com/CompVis/fm-boosting)."""

from .errors import ModelError

DEFAULTS = {
    "in_channels": 8,
    "model_channels": 128,
    "out_channels": 4,
    "num_res_blocks": 3,
    "attention_resolutions": [8, 16],
    "dropout": 0.0,
    "channel_mult": [1, 2, 4, 8],
    "conv_resample": True,
    "dim_head": 64,
    "num_heads": 4,
    "use_linear_attn": True,
    "use_scale_shift_norm": True,
    "pool_factor": -1,
}


def full_config(config, origin):
    """Completes `config` with defaults and validates the type of every field."""
    if not isinstance(config, dict):
        raise ModelError(f"'{origin}': the network configuration must be a JSON object")
    unknown = sorted(set(config) - set(DEFAULTS))
    if unknown:
        raise ModelError(f"'{origin}': '{unknown[0]}' is not an option of the CFM network")
    full = DEFAULTS | config
    for name, default in DEFAULTS.items():
        value = full[name]
        number = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(default, list):
            fits = isinstance(value, (list, tuple)) and all(isinstance(x, int) and x > 0 for x in value)
        elif isinstance(default, bool):
            fits = isinstance(value, bool)
        elif isinstance(default, float):
            fits = (number or isinstance(value, float)) and 0 <= value < 1
        else:
            fits = number and (value > 0 or name == "pool_factor")
        if not fits:
            raise ModelError(f"'{origin}': {name} of the network configuration cannot be {value!r}")
    if not full["channel_mult"] or full["model_channels"] % 32:
        raise ModelError(f"'{origin}': channel_mult must not be empty and model_channels a multiple of 32")
    return full


class _Shapes(dict):
    """Collects name -> shape in the order in which the network registers its parameters."""

    def layer(self, name, out, *rest):
        self[f"{name}.weight"], self[f"{name}.bias"] = (out, *rest), (out,)

    def norm(self, name, channels):
        self.layer(name, channels)

    def res(self, name, cin, cout, config):
        embedding = 4 * config["model_channels"]
        self.norm(f"{name}.in_layers.0", cin)
        self.layer(f"{name}.in_layers.2", cout, cin, 3, 3)
        self.layer(f"{name}.emb_layers.1", cout * (2 if config["use_scale_shift_norm"] else 1), embedding)
        self.norm(f"{name}.out_layers.0", cout)
        self.layer(f"{name}.out_layers.3", cout, cout, 3, 3)
        if cin != cout:
            self.layer(f"{name}.skip_connection", cout, cin, 1, 1)

    def attention(self, name, channels, config):
        inner = config["num_heads"] * config["dim_head"]
        self.norm(f"{name}.norm", channels)
        self.layer(f"{name}.qkv", 3 * inner, channels, 1)
        self.layer(f"{name}.proj_out", channels, inner, 1)


def tensor_shapes(config):
    """{name: shape} of all tensors for a complete configuration."""
    shapes, m, pool = _Shapes(), config["model_channels"], config["pool_factor"]
    mults, blocks, attended = config["channel_mult"], config["num_res_blocks"], config["attention_resolutions"]
    shapes.layer("time_embed.0", 4 * m, m)
    shapes.layer("time_embed.2", 4 * m, 4 * m)
    first = config["in_channels"]
    if pool > 1:
        shapes.layer("pool.down_conv", m, first, pool, pool)
        first = m
    shapes.layer("input_blocks.0.0", m, first, 3, 3)
    channels, skips, index = m, [m], 1
    for level, mult in enumerate(mults):
        for _ in range(blocks):
            shapes.res(f"input_blocks.{index}.0", channels, mult * m, config)
            channels = mult * m
            if 2**level in attended:
                shapes.attention(f"input_blocks.{index}.1", channels, config)
            skips.append(channels)
            index += 1
        if level < len(mults) - 1:
            if config["conv_resample"]:
                shapes.layer(f"input_blocks.{index}.0.op", channels, channels, 3, 3)
            skips.append(channels)
            index += 1
    shapes.res("middle_block.0", channels, channels, config)
    shapes.attention("middle_block.1", channels, config)
    shapes.res("middle_block.2", channels, channels, config)
    _output_shapes(shapes, config, channels, skips)
    shapes.norm("out.0", mults[0] * m)
    shapes.layer("out.2", m if pool > 1 else config["out_channels"], m, 3, 3)
    if pool > 1:  # a transposed convolution: input channels come first
        shapes["un_pool.up_conv.weight"] = (m, config["out_channels"], pool, pool)
        shapes["un_pool.up_conv.bias"] = (config["out_channels"],)
    return dict(shapes)


def _output_shapes(shapes, config, channels, skips):
    mults, blocks, index = config["channel_mult"], config["num_res_blocks"], 0
    for level in reversed(range(len(mults))):
        for block in range(blocks + 1):
            out = mults[level] * config["model_channels"]
            shapes.res(f"output_blocks.{index}.0", channels + skips.pop(), out, config)
            channels, last = out, 1
            if 2**level in config["attention_resolutions"]:
                shapes.attention(f"output_blocks.{index}.1", channels, config)
                last = 2
            if level and block == blocks and config["conv_resample"]:
                shapes.layer(f"output_blocks.{index}.{last}.conv", channels, channels, 3, 3)
            index += 1

