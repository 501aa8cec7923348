"""Running the binary and looking at what it leaves behind."""

import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "default"
IMAGES = ROOT / "tests" / "fixtures" / "images"
# One thread and one dtype: the same bytes on every machine of a kind, and no slower at these sizes.
PLACE = ("--device", "cpu", "--dtype", "float32", "--threads", "1")
# As little work as makes an image.
QUICK = ("--size", 64, "--steps", 1, "--guidance", 1, "--flow-steps", 1)


class Finished:
    """A process that has ended: its exit code, stdout as bytes, stderr as text."""

    def __init__(self, done):
        self.code, self.bytes, self.err = done.returncode, done.stdout, done.stderr.decode()

    @property
    def out(self):
        return self.bytes.decode()

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def records(self):
        """The lines of --json, one an image."""
        return [line for line in map(json.loads, self.lines) if "summary" not in line]

    @property
    def summary(self):
        """The last line of --json for several images."""
        return json.loads(self.lines[-1])["summary"]

    @property
    def stages(self):
        """What was done, as the progress lines tell it; empty where nothing was begun."""
        return re.findall(r"^image \d+ of \d+: (.*), \d+ steps$", self.err, re.MULTILINE)


class Runner:
    """Runs the binary in a folder, with an environment that the user's own settings do not reach."""

    def __init__(self, binary, folder, cache):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FMBOOST", "NO_COLOR"))}
        self.binary, self.folder = binary, folder
        self.environment = kept | {"FMBOOST_MODEL": str(MODEL), "XDG_CACHE_HOME": str(cache), "TERM": "xterm"}

    def command(self, *arguments):
        return [str(argument) for argument in (self.binary, *arguments)]

    def __call__(self, *arguments, code=0, stdin=b"", environment=None, stdout=subprocess.PIPE, **options):
        done = subprocess.run(
            self.command(*arguments), input=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=self.folder,
            env=self.environment | (environment or {}), timeout=300, **options,
        )  # fmt: skip
        finished = Finished(done)
        assert code is None or finished.code == code, f"exit {finished.code}, expected {code}: {finished.err}"
        return finished

    def start(self, *arguments, environment=None, **options):
        """A process that goes on while the test looks at it."""
        environment = self.environment | (environment or {})
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, env=environment, **options)

    def generate(self, *arguments, **options):
        return self("generate", *with_defaults(arguments, (*QUICK, *PLACE)), **options)

    def again(self, image, *arguments, **options):
        """generate --from, which takes everything else from the image."""
        return self("generate", "--from", image, *arguments, **options)

    def upscale(self, *arguments, **options):
        return self("upscale", *with_defaults(arguments, ("--flow-steps", 1, *PLACE)), **options)

    def names(self, folder="."):
        """The files in a folder, hidden ones too, but not the journal's folder."""
        return sorted(path.name for path in (self.folder / folder).iterdir() if path.name != ".fmboost")

    def journal(self, folder="out"):
        """The lines of the journal of an output folder."""
        text = (self.folder / folder / ".fmboost" / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


def with_defaults(arguments, defaults):
    """The arguments, and those defaults that they do not name."""
    given = set(arguments) | ({"--size"} if "-W" in arguments else set())
    pairs = zip(defaults[::2], defaults[1::2], strict=True)
    return [*arguments, *(part for name, value in pairs if name not in given for part in (name, value))]
