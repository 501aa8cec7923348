"""pytorch_step.py CASE.safetensors: the same step in plain PyTorch, with the same protocol as training_step.cpp."""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))
from cfm_reference import CfmReference, noising_alpha_bar  # noqa: E402


class Network(CfmReference):
    """The transcription with PyTorch's own attention kernel."""

    def _attention(self, name, x, linear):
        if linear:
            return super()._attention(name, x, linear)
        b, c, height, width = x.shape
        tokens = x.reshape(b, c, height * width)
        qkv = F.conv1d(self._norm(f"{name}.norm", tokens), *self._of(f"{name}.qkv"))
        parts = qkv.reshape(b, self.config["num_heads"], height * width, -1).chunk(3, -1)
        out = F.scaled_dot_product_attention(*parts).reshape(b, -1, height * width)
        return (tokens + F.conv1d(out, *self._of(f"{name}.proj_out"))).reshape(x.shape)


class Step:
    def __init__(self, path):
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        options, case = json.loads(metadata["options"]), load_file(path)
        torch.set_num_threads(options["threads"])
        self.device, self.mixed = torch.device(options["device"]), options["precision"] == "bf16-mixed"
        self.format = torch.channels_last if options["memory_format"] == "channels-last" else torch.contiguous_format
        weights = {}
        for name, tensor in case.items():
            if name.startswith("weight."):
                tensor = tensor.to(self.device)
                tensor = tensor.contiguous(memory_format=self.format) if tensor.ndim == 4 else tensor
                weights[name.removeprefix("weight.")] = tensor.requires_grad_()
        self.network = Network(weights, json.loads(metadata["config"]))
        self.weights = list(weights.values())
        self.average = [x.detach().clone() for x in self.weights]
        self.optimizer = torch.optim.Adam(self.weights, lr=3e-5, fused=True)
        self.case = {name: case[name] for name in ("latent", "context", "t", "start")}
        self.steps = 0

    def __call__(self):
        latent, context, t, noise = (x.to(self.device) for x in self.case.values())
        a = noising_alpha_bar()[400].item()
        x0 = a**0.5 * context + (1 - a) ** 0.5 * noise
        at = t[:, None, None, None]
        x, u = at * latent + (1 - at) * x0, latent - x0
        x, context = (y.contiguous(memory_format=self.format) for y in (x, context))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            v = self.network.velocity(x, t, context)
        loss = F.mse_loss(v.float(), u)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        epoch = self.steps - 1
        decay = min(0.999, 1 - (1 + epoch) ** -0.75) if epoch > 0 else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 - decay)
        return loss.item()


def main():
    step = Step(sys.argv[1])
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        loss = step()
        answer = {"loss": loss, "seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(answer), flush=True)


main()
