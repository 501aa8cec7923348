"""Shared by the training scripts of the default model: averaged weights, learning rate schedule, resumable runs."""

import math
import os
import signal
import time
from pathlib import Path

import torch
from replay import Replay
from safetensors.torch import save

SAVE_SECONDS = 60  # between checkpoints


class Average:
    """Exponential moving average of a module's weights; its decay grows with the steps up to `decay`."""

    def __init__(self, module, decay):
        self.decay, self.steps = decay, 0
        self.weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        self.share = next(module.parameters()).new_zeros(())  # weight of the module in the next average

    def count(self):
        """Call before each update(), which a GPU may replay."""
        self.steps += 1
        self.share.fill_(1 - min(self.decay, (1 + self.steps) / (10 + self.steps)))

    @torch.no_grad()
    def update(self, module):
        state, weights = module.state_dict(), list(self.weights.values())
        change = torch._foreach_sub([state[name] for name in self.weights], weights)
        torch._foreach_mul_(change, self.share)
        torch._foreach_add_(weights, change)


def cosine_factor(step, progress, warmup=100, floor=0.02):
    """Factor of the learning rate: linear warm-up, then half a cosine down to `floor`. `progress` is in 0 .. 1."""
    if step < warmup:
        return (step + 1) / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))


def set_learning_rate(optimizer, rate):
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def descend(optimizer, module, loss):
    """An optimizer step with gradients clipped to a norm of 1."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()


def save_whole(save, path):
    """Calls save(temporary) and renames the file, so that `path` is always complete."""
    temporary = Path(f"{path}.part")
    save(temporary)
    os.replace(temporary, path)


def save_half(weights, path, metadata=None):
    """Writes float16 safetensors: precise enough for inference and fine-tuning."""
    half = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in weights.items()}
    # save_file would make the file readable only for its owner.
    save_whole(lambda temporary: temporary.write_bytes(save(half, metadata)), path)


def bfloat16_is_fast(device_type):
    """True on GPUs and on CPUs with bfloat16 instructions; on other CPUs it is ten times slower."""
    return device_type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def autocast(tensor):
    """Autocast to bfloat16 if that is fast on the tensor's device."""
    device_type = tensor.device.type
    return torch.autocast(device_type, torch.bfloat16, enabled=bfloat16_is_fast(device_type))


def compile_on_gpu(*modules):
    """Compiles modules on a GPU: fusing the operations between convolutions saves a third of the time. On CPUs the gain is
    smaller than the compile time."""
    for module in modules:
        if any(parameter.is_cuda for parameter in module.parameters()):
            torch.set_float32_matmul_precision("high")
            module.compile(dynamic=False)


class Run:
    """A training run in a folder: checkpoint.pt with the full state, log lines, a clean stop on Ctrl-C or SIGTERM."""

    def __init__(self, folder, module, optimizer, average, steps, learning_rate, minutes=None, warmup=100, beside=None):
        """`minutes`: time limit of the run and of its learning rate schedule. `beside`: other trained objects to checkpoint,
        {name: object with a state_dict}."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.module, self.optimizer, self.average = module, optimizer, average
        self.steps, self.learning_rate, self.warmup, self.beside = steps, learning_rate, warmup, beside or {}
        self.seconds = (minutes or math.inf) * 60
        self.started, self.worked = time.time(), 0.0  # `worked`: seconds of earlier sessions
        self.step, self.taken, self.saved, self.saved_at, self.stopped = 0, 0, 0, time.time(), False
        self.losses, self.parts, self.began, self.reported = [], [], time.time(), 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, *_):
        self.stopped = True

    @property
    def checkpoint(self):
        return self.folder / "checkpoint.pt"

    def resume(self, seed=0):
        """Resumes from the checkpoint if there is one; seeds torch's generator for the remaining steps."""
        if self.checkpoint.exists():
            self._load()
        torch.manual_seed(seed + self.step)

    def _load(self):
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, other in self.beside.items():
            other.load_state_dict(state["beside"][name])
        for name, tensor in state["average"].items():
            self.average.weights[name].copy_(tensor)
        self.average.steps, self.step, self.taken = state["average_steps"], state["step"], state["taken"]
        self.worked = state.get("worked", 0.0)
        self.reported = self.saved = self.step
        print(f"resuming after step {self.step}", flush=True)

    def save(self):
        state = {
            "module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(), "average": self.average.weights,
            "average_steps": self.average.steps, "step": self.step, "taken": self.taken, "worked": self.time_worked(),
            "beside": {name: other.state_dict() for name, other in self.beside.items()},
        }  # fmt: skip
        save_whole(lambda temporary: torch.save(state, temporary), self.checkpoint)
        self.saved, self.saved_at = self.step, time.time()

    def time_worked(self):
        return self.worked + time.time() - self.started

    def progress(self):
        return max(self.step / self.steps, self.time_worked() / self.seconds)

    def rest(self):
        """Yields the remaining step numbers until the end or a signal, then saves a checkpoint."""
        while (progress := self.progress()) < 1 and not self.stopped:
            set_learning_rate(self.optimizer, self.learning_rate * cosine_factor(self.step, progress, self.warmup))
            yield self.step
        if self.step != self.saved:
            self.save()

    def take_step(self, loss, taken, every=100, parts=None):
        """Takes an optimizer step and updates the average. Reports once per `every` steps; if the loss is finite, it also saves
        a checkpoint then, at most once per SAVE_SECONDS. `taken`: samples of the whole run so far. `parts`: {name: loss},
        the terms of the loss, for the reports."""
        self.average.count()
        self._descend(loss)
        self._account(loss.detach(), taken, every, parts or {})

    def stepper(self, loss_of, samples, every=100):
        """Returns a function that takes a training step on `loss_of()` for `samples` samples; on a GPU it is replayed (see
        replay.py for what `loss_of` may do). `loss_of` returns the loss and its terms, {name: loss}."""

        def work():
            loss, parts = loss_of()
            self._descend(loss)
            return loss.detach(), parts

        replay = Replay(work, next(self.module.parameters()).device)

        def step():
            self.average.count()
            loss, parts = replay()
            parts = {name: part.clone() for name, part in parts.items()}
            self._account(loss.clone(), self.taken + samples, every, parts)

        return step

    def _descend(self, loss):
        descend(self.optimizer, self.module, loss)
        self.average.update(self.module)

    def _account(self, loss, taken, every, parts):
        self.step, self.taken = self.step + 1, taken
        self.losses.append(loss)
        self.parts.append({name: part.detach() for name, part in parts.items()})
        if self.step % every == 0:
            self.report()
            if time.time() - self.saved_at >= SAVE_SECONDS:
                self.save()

    def report(self):
        """Prints a line about the steps since the last report; exits if their mean loss is not finite."""
        mean = torch.stack(self.losses).mean().item()
        names = self.parts[-1]
        means = "".join(f", {name} {torch.stack([part[name] for part in self.parts]).mean():.4g}" for name in names)
        rate = (self.step - self.reported) / (time.time() - self.began)
        left = min((self.steps - self.step) / rate, self.seconds - self.time_worked()) / 60
        print(f"step {self.step}/{self.steps}, loss {mean:.4f}{means}, {rate:.2f} steps/s, {left:.0f} min left", flush=True)
        if not math.isfinite(mean):
            raise SystemExit("the loss is not finite; the last checkpoint is good: resume with a smaller --lr")
        self.losses, self.parts, self.began, self.reported = [], [], time.time(), self.step
