"""--config and --print-config."""

import tomllib

import pytest
from runner import PLACE

OPTIONS = (
    "-p",
    'a "red" sun\'s \\ x = 1, # 2\n太陽',
    "--size",
    "64x32",
    "--steps",
    "2",
    "--guidance",
    "1.5",
    "--no-upscale",
    "--seed",
    "7",
)


def write(fmboost, text, name="options.toml"):
    (fmboost.folder / name).write_text(text)
    return name


def test_a_file_gives_options(fmboost):
    config = write(fmboost, 'prompt = "a red sun"\nsize = "64x32"\nsteps = 1\nno-upscale = true\nseed = 5\n')
    record = fmboost("generate", "--config", config, "--json", *PLACE).records[0]
    assert (record["prompt"], record["seed"], record["width"], record["height"]) == ("a red sun", 5, 64, 32)


def test_texts_are_read_as_toml_has_them(fmboost):
    for value, prompt in {r'"a \"b\" # c" # d': 'a "b" # c', r"'a \ b' # c": r"a \ b", '"a, b"': "a, b"}.items():
        config = write(fmboost, f"prompt = {value}\nsize = 32\nsteps = 1\n")
        assert fmboost("generate", "--config", config, "--force", "--json", *PLACE).records[0]["prompt"] == prompt


def test_a_section_is_read_by_its_command_alone(fmboost):
    text = 'seed = 5\n[generate]\nsize = 32\nsteps = 1\nprompt = "sun"\n[upscale]\nscale = 3\n[eval.fid]\ncrops = 2\n'
    config = write(fmboost, text)
    record = fmboost("generate", "--config", config, "--json", *PLACE).records[0]
    assert (record["prompt"], record["seed"], record["width"]) == ("sun", 5, 32)
    printed = tomllib.loads(fmboost("eval", "fid", "a", "b", "--config", config, "--print-config").out)
    assert (printed["crops"], printed["seed"]) == (2, 5)
    printed = tomllib.loads(fmboost("upscale", "x.png", "--config", config, "--print-config").out)
    assert (printed["scale"], printed["seed"], "steps" in printed) == (3, 5, False)


def test_a_list_gives_an_option_several_values(fmboost):
    config = write(fmboost, "channel-mult = [1, 2]\ndata = ['a', 'b, c']\nflip = true\nlr = 1e-4\n")
    printed = tomllib.loads(fmboost("train", "--config", config, "--print-config").out)
    found = {name: printed[name] for name in ("channel-mult", "data", "flip", "lr")}
    assert found == {"channel-mult": [1, 2], "data": ["a", "b, c"], "flip": True, "lr": 1e-4}


def test_the_command_line_goes_before_the_file(fmboost):
    config = write(fmboost, 'size = "32"\nsteps = 1\nseed = 5\n')
    record = fmboost("generate", "-p", "sun", "--config", config, "--seed", 6, "--json", *PLACE).records[0]
    assert (record["seed"], record["width"]) == (6, 32)


def test_the_other_command_reads_one_as_well(fmboost):
    config = write(fmboost, "scale = 3\nflow-stepz = 1\n")
    assert "'flow-stepz'" in fmboost("upscale", "x.png", "--config", config, code=2).err


def test_printed_options_are_read_back_as_the_same(fmboost):
    printed = fmboost("generate", *OPTIONS, "--print-config").out
    config = write(fmboost, printed)
    assert fmboost("generate", "--config", config, "--print-config").out == printed
    assert tomllib.loads(printed) | {
        "prompt": OPTIONS[1], "size": "64x32", "steps": 2, "guidance": 1.5, "no-upscale": True, "seed": 7
    } == tomllib.loads(printed)  # fmt: skip


def test_printed_options_make_the_same_image(fmboost):
    config = write(fmboost, fmboost("generate", *OPTIONS, "--print-config").out)
    fmboost("generate", *OPTIONS, "-o", "a.png", *PLACE)
    fmboost("generate", "--config", config, "-o", "b.png", *PLACE)
    assert (fmboost.folder / "a.png").read_bytes() == (fmboost.folder / "b.png").read_bytes()


def test_printing_makes_nothing(fmboost):
    assert fmboost("generate", "--print-config").err == ""
    assert fmboost.names() == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("steps = 1\nguidanse = 2\n", ("'guidanse'", "did you mean 'guidance'")),
        ("xyzzyplugh = 1\n", ("'xyzzyplugh'",)),
        ("steps = zwei\n", ("steps", "zwei", "line 1")),
        ("steps = \"zwei\"\n", ("steps", "zwei")),
        ("karras = 1\n", ("karras", "true or false")),
        ("steps = 1979-05-27\n", ("steps",)),
        ("[genrate]\nsteps = 1\n", ("'genrate'",)),
        ("[generate]\nguidanse = 2\n", ("did you mean 'guidance'",)),
        ("count = 0\n", ("count", "0")),
        ('prompt = "a"\nprompts = "b"\n', ("prompt",)),
    ],
)
def test_a_wrong_setting_is_named(fmboost, text, named):
    done = fmboost("generate", "--config", write(fmboost, text), code=2)
    assert all(word in done.err for word in named), done.err
    assert done.out == ""
    assert fmboost.names() == ["options.toml"]


@pytest.mark.parametrize("path", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_named(fmboost, path):
    assert f"{path}" in fmboost("generate", "--config", path, code=2).err
