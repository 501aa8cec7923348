"""Help, version, and what is said about a command line that is wrong."""

import re
import subprocess
import sys

import pytest
from runner import ROOT

COMMANDS = ("generate", "upscale", "sheet", "import", "train", "encode", "eval", "inspect", "devices")
EVAL_COMMANDS = ("pairs", "upscale", "fid")
RUNNING = [(name,) for name in COMMANDS if name != "eval"] + [("eval", name) for name in EVAL_COMMANDS]
GROUPS = {
    "generate": ["Prompt", "Size", "Sampling", "Upscaling", "Output", "Model and device", "General"],
    "upscale": ["Arguments", "Size", "Upscaling", "Output", "Model and device", "General"],
}


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_the_commands_on_stdout(fmboost, arguments):
    done = fmboost(*arguments)
    listed = re.findall(r"^  ([a-z]+)  ", done.out, re.MULTILINE)
    assert listed == list(COMMANDS)
    assert done.err == ""


def test_help_of_eval_lists_its_commands(fmboost):
    assert re.findall(r"^  ([a-z]+)  ", fmboost("eval", "--help").out, re.MULTILINE) == list(EVAL_COMMANDS)


@pytest.mark.parametrize("command", RUNNING)
def test_every_command_explains_its_options_on_stdout(fmboost, command):
    done = fmboost(*command, "--help")
    assert f"Usage: fmboost {' '.join(command)}" in done.out
    assert "--json" in done.out or command == ("sheet",)  # which writes one file
    assert done.err == ""
    assert all(len(line) <= 110 for line in done.out.splitlines())


@pytest.mark.parametrize("command", GROUPS)
def test_options_are_grouped(fmboost, command):
    assert re.findall(r"^([A-Z][\w ]+):$", fmboost(command, "--help").out, re.MULTILINE) == GROUPS[command]


def test_the_documentation_is_made_from_the_help(binary):
    script = ROOT / "scripts" / "write_cli_docs.py"
    made = subprocess.run([sys.executable, script, binary], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "cli.md").read_text() == made, f"run {script} > docs/cli.md"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("generate", "-p", "sun", "--threads", 0), "--threads must be from 1 to 4096, not 0"),
        (("generate", "-p", "sun", "--tile", "big"), "--tile must be auto, off or a number of pixels"),
        (("generate", "-p", "sun", "--quality", 101), "--quality must be from 1 to 100, not 101"),
        (("generate", "-p", "sun", "--shard", "4/4"), "--shard must be I/N"),
        (("generate", "-p", "sun", "--guidance", "much"), '--guidance cannot be "much"'),
        (("upscale", "x.png", "--tile", 0), "--tile must be auto, off or a number of pixels"),
        (("eval", "fid", "a", "b"), "--inception is missing"),
    ],
)
def test_messages_name_flags(fmboost, arguments, named):
    done = fmboost(*arguments, code=2)
    assert named in done.err
    assert "`" not in done.err


def test_help_shows_defaults(fmboost):
    text = " ".join(fmboost("generate", "--help").out.split())
    for shown in ("--seed INT=42", "--tile-overlap INT=64", "--device TEXT=auto", "lcm, tcd, ddim, euler, euler-a, dpm++2m"):
        assert shown in text


def test_the_version_names_what_it_was_built_with(fmboost):
    assert re.fullmatch(
        r"fmboost \d+\.\d+\.\d+\nLibTorch \d+\.\d+\.\d+\S*\nCUDA (none|\d+\.\d+)\n", fmboost("--version").out
    )


@pytest.mark.parametrize(
    ("arguments", "wrong", "right"),
    [
        (("genrate",), "command 'genrate'", "generate"),
        (("Upscale", "x.png"), "command 'Upscale'", "upscale"),
        (("--versoin",), "option '--versoin'", "--version"),
        (("generate", "--promt", "x"), "option '--promt'", "--prompt"),
        (("generate", "--flow-setps=3"), "option '--flow-setps'", "--flow-steps"),
        (("upscale", "x.png", "--scael", "2"), "option '--scael'", "--scale"),
        (("inspect", "--verfy"), "option '--verfy'", "--verify"),
        (("devices", "--jason"), "option '--jason'", "--json"),
        (("eval", "pears", "a", "b"), "command 'pears'", "pairs"),
        (("eval", "fid", "a", "b", "--crop"), "option '--crop'", "--crops"),
    ],
)
def test_the_nearest_name_is_offered_for_an_unknown_one(fmboost, arguments, wrong, right):
    done = fmboost(*arguments, code=2)
    assert f"unknown {wrong}; did you mean '{right}'?" in done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("xyzzyplugh",), ("generate", "--xyzzyplugh"), ("inspect", "a", "b")])
def test_nothing_is_offered_for_what_is_like_nothing(fmboost, arguments):
    done = fmboost(*arguments, code=2)
    assert f"'{arguments[-1]}'" in done.err
    assert "did you mean" not in done.err
    assert "--help" in done.err


@pytest.mark.parametrize("arguments", [("-p", "a", "-p", "b"), ("--steps", "1", "--steps", "2")])
def test_an_option_is_given_once(fmboost, arguments):
    done = fmboost("generate", *arguments, code=2)
    assert "once" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "--prompt", "a", "--prompts", "b.txt"),
        ("generate", "--force", "--skip-existing"),
        ("generate", "--example", "-p", "sun"),
        ("generate", "--example", "--prompts", "-"),
        ("generate", "--example", "--from", "a.png"),
        ("generate", "-q", "-v"),
        ("upscale", "x.png", "--scale", "2", "--size", "100"),
    ],
)
def test_options_that_contradict_each_other_are_refused(fmboost, arguments):
    assert "exclude" in fmboost(*arguments, code=2).err


def test_a_missing_value_is_named(fmboost):
    assert "--steps" in fmboost("generate", "--steps", code=2).err


def test_an_empty_value_is_not_the_next_argument(fmboost):
    assert "sampler ''" in fmboost.generate("-p", "sun", "--sampler=", "--karras", code=2).err
    (record,) = fmboost.generate("--prompt=", "--json").records
    assert record["prompt"] == ""


def test_something_to_upscale_must_be_named(fmboost):
    assert "image" in fmboost("upscale", code=2).err
