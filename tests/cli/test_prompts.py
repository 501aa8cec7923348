"""Prompts: files, stdin, JSON lines, and text that is no good."""

import json
import signal

import pytest
from images import pixels
from PIL import Image
from runner import PLACE, QUICK, with_defaults

LINES = "# comment\n\na red sun\r\n   \n\t  a blue moon  \n  # another\n"


def write(fmboost, *lines):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (fmboost.folder / "p.txt").write_text(text)
    return "p.txt"


def test_a_file_has_a_prompt_a_line(fmboost):
    (fmboost.folder / "p.txt").write_bytes(LINES.encode())
    records = fmboost.generate("--prompts", "p.txt", "--json").records
    assert [record["prompt"] for record in records] == ["a red sun", "a blue moon"]


def test_prompts_come_from_stdin(fmboost):
    records = fmboost.generate("--prompts", "-", "--json", stdin=LINES.encode()).records
    assert [record["prompt"] for record in records] == ["a red sun", "a blue moon"]


def test_json_lines_have_settings_of_their_own(fmboost):
    file = write(
        fmboost,
        {"prompt": "sun", "seed": 5, "size": "32x64"},
        "moon",
        {"prompt": '{"not": json}', "steps": 2, "size": 96, "upscale": False},
    )
    done = fmboost.generate("--prompts", file, "--seed", 9, "--json")
    found = [(r["prompt"], r["seed"], r["width"], r["height"]) for r in done.records]
    assert found == [("sun", 5, 32, 64), ("moon", 9, 64, 64), ('{"not": json}', 9, 96, 96)]
    assert "image 3 of 3: denoise, 2 steps" in done.err


def test_settings_of_a_line_do_what_options_do(fmboost):
    settings = {"prompt": "sun", "negative_prompt": "moon", "seed": 5, "size": "64x96", "base_size": "32x64",
                "steps": 2, "guidance": 3.5, "sampler": "euler", "karras": True, "flow_steps": 2, "flow_solver": "midpoint",
                "flow_noise": 100, "long_prompt": "chunk", "upsampling": "pixel", "fidelity": 0.9, "back_project": 1}  # fmt: skip
    fmboost.generate("--prompts", write(fmboost, settings), "-o", "a.png")
    options = [
        part for key, value in settings.items() if key != "karras" for part in (f"--{key.replace('_', '-')}", value)
    ]
    fmboost.generate(*options, "--karras", "-o", "b.png")
    assert (fmboost.folder / "a.png").read_bytes() == (fmboost.folder / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('{"prompt": "sun"', "JSON"),
        ({"prompt": "sun", "sedd": 1}, "sedd"),
        ({"prompt": 5}, "prompt"),
        ({"size": "64x"}, "64x"),
        ({"steps": "many"}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"seed": 2**64}, "seed"),
        ({"upscale": 1}, "upscale"),
        ({"upsampling": "xyz"}, "xyz"),
        ({"guidance": None}, "guidance"),
        ({"fidelity": "high"}, "fidelity"),
        ({"long_prompt": "split"}, "truncate or chunk"),
        ({"clip_skip": 1.5}, "clip_skip"),
    ],
)
def test_a_bad_line_is_named_before_any_work(fmboost, line, named):
    done = fmboost.generate("--prompts", write(fmboost, "a red sun", "", line), code=2)
    assert "'p.txt', line 3" in done.err
    assert named in done.err
    assert done.stages == []
    assert fmboost.names() == ["p.txt"]


def test_a_bad_line_of_stdin_is_named(fmboost):
    assert "stdin, line 1" in fmboost.generate("--prompts", "-", stdin=b'{"prompt"]\n', code=2).err


@pytest.mark.parametrize("content", ["", "\n\n# nothing\n"])
def test_a_file_without_prompts_is_refused(fmboost, content):
    assert "p.txt" in fmboost.generate("--prompts", write(fmboost, content), code=2).err


def test_generating_without_a_prompt_names_the_ways_to_give_one(fmboost):
    done = fmboost.generate(code=2)
    assert all(option in done.err for option in ("-p", "--prompts", "--example"))
    assert done.stages == [] and fmboost.names() == []


def test_a_missing_file_is_named(fmboost):
    assert "missing.txt" in fmboost.generate("--prompts", "missing.txt", code=1).err


@pytest.mark.parametrize("prompt", ["", "  \t "])
def test_an_empty_prompt_is_allowed_with_a_notice(fmboost, prompt):
    done = fmboost.generate("-p", prompt)
    assert "the prompt is empty" in done.err
    assert fmboost.names() == ["fmboost_42.png"]
    assert "empty" not in fmboost.generate("-p", "sun", "--force").err


def test_what_is_cut_off_a_long_prompt_is_shown(fmboost):
    done = fmboost.generate("-p", "sun " * 48 + "red moon")
    assert "48 tokens" in done.err
    assert "'red moon'" in done.err
    fits = fmboost.generate("-p", "sun " * 48, "--force")
    assert "token" not in fits.err


def test_a_long_prompt_is_read_to_its_end_in_chunks(fmboost):
    prompt = "sun " * 48 + "red moon"
    done = fmboost.generate("-p", prompt, "--long-prompt", "chunk", "-o", "whole.png")
    assert "cut" not in done.err
    assert "--long-prompt chunk" in fmboost.generate("-p", prompt, "-o", "cut.png").err
    assert abs(pixels(fmboost.folder / "whole.png") - pixels(fmboost.folder / "cut.png")).max() > 5


def test_other_ways_with_long_prompts_are_refused(fmboost):
    assert "'split': use truncate or chunk" in fmboost.generate("-p", "sun", "--long-prompt", "split", code=2).err


def test_a_text_encoder_without_chosen_layers_is_told(fmboost):
    assert "--clip-skip needs a CLIP text encoder" in fmboost.generate("-p", "sun", "--clip-skip", 2, code=2).err


def test_unknown_words_are_named(fmboost):
    assert "'xyzzy'" in fmboost.generate("-p", "a red xyzzy sun").err


@pytest.mark.parametrize(("prompt", "named"), [(b"a \xff sun", "UTF-8"), (b"\xed\xa0\x80", "UTF-8"), (b"a\0b", "NUL")])
def test_what_is_no_text_is_an_item_s_error(fmboost, prompt, named):
    content = b"a red sun\n" + prompt + b"\na blue moon\n"
    (fmboost.folder / "p.txt").write_bytes(content)
    done = fmboost.generate("--prompts", "p.txt", code=3)
    assert named in done.err
    assert "image 2" in done.err
    assert done.lines == ["fmboost_0_42.png", "fmboost_2_42.png"]
    assert named in fmboost.generate("--prompts", "-", "-o", "text.png", stdin=prompt, code=1).err


def test_a_prompt_that_is_not_utf_8_is_refused_as_an_argument(fmboost):
    done = fmboost.generate("-p", b"\xff\xfe".decode(errors="surrogateescape"), code=1)
    assert "UTF-8" in done.err
    assert fmboost.names() == []


def test_a_negative_prompt_counts_where_guidance_is_on(fmboost):
    for name, negative in {"a": "", "b": "red sun"}.items():
        fmboost.generate("-p", "a red sun", "-n", negative, "--guidance", 4, "--steps", 2, "-o", f"{name}.png")
    assert abs(pixels(fmboost.folder / "a.png") - pixels(fmboost.folder / "b.png")).max() > 10


def test_examples_need_nothing_and_can_be_drawn(fmboost):
    done = fmboost("generate", "--example")
    assert done.lines == json.loads(fmboost("inspect", "--json").out)["examples"]
    assert len(done.lines) >= 8 and len(set(done.lines)) == len(done.lines)
    assert done.err == "" and fmboost.names() == []
    some = "\n".join(done.lines[:2]).encode()
    drawn = fmboost.generate("--prompts", "-", "-o", "{index}.png", stdin=some)
    assert fmboost.names() == ["0.png", "1.png"]
    assert "does not know" not in drawn.err


def test_examples_as_json_lines_are_prompts_too(fmboost):
    done = fmboost("generate", "--example", "--json")
    assert [record["prompt"] for record in done.records] == fmboost("generate", "--example").lines
    first = (done.lines[0] + "\n").encode()
    (record,) = fmboost.generate("--prompts", "-", "--json", stdin=first).records
    assert record["prompt"] == done.records[0]["prompt"]


def test_a_bundle_without_examples_says_what_to_do(fmboost, bundles):
    done = fmboost("generate", "--example", "-m", bundles.copy(examples=None), code=4)
    assert "`examples`" in done.err and "-m" in done.err
    assert done.out == ""


def test_one_bad_setting_fails_alone(fmboost):
    file = write(fmboost, {"prompt": "sun", "guidance": -1}, "moon")
    done = fmboost.generate("--prompts", file, code=3)
    assert "guidance" in done.err
    assert done.lines == ["fmboost_1_42.png"]
    assert Image.open(fmboost.folder / "fmboost_1_42.png").size == (64, 64)


def prompts_of(fmboost, content, *arguments):
    (fmboost.folder / "p.txt").write_bytes(content)
    done = fmboost.generate("--prompts", "p.txt", "--json", *arguments)
    return done, [(record["prompt"], record["seed"]) for record in done.records]


def test_a_byte_order_mark_is_no_part_of_the_first_line(fmboost):
    mark = b"\xef\xbb\xbf"
    assert prompts_of(fmboost, mark + b"a red sun\r\na blue moon\r\n")[1] == [("a red sun", 42), ("a blue moon", 42)]
    assert prompts_of(fmboost, mark + b'{"prompt": "sun", "seed": 5}\n', "-o", "b/")[1] == [("sun", 5)]
    assert prompts_of(fmboost, mark + b"# comment\nsun\n", "-o", "c/")[1] == [("sun", 42)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(fmboost, encoding):
    (fmboost.folder / "p.txt").write_bytes("a red sun\n".encode(encoding))
    assert "UTF-16" in fmboost.generate("--prompts", "p.txt", code=2).err


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_has_a_prompt_an_element(fmboost, indent):
    array = json.dumps([{"prompt": "sun", "seed": 7}, "moon"], indent=indent)
    assert prompts_of(fmboost, array.encode())[1] == [("sun", 7), ("moon", 42)]
    for text, named in ((array[:-3], "not valid JSON"), ('["sun", 5]', "element 2")):
        (fmboost.folder / "p.txt").write_text(text)
        assert named in fmboost.generate("--prompts", "p.txt", code=2).err


def test_lines_in_braces_or_brackets_may_be_prompts(fmboost):
    done, found = prompts_of(fmboost, b"#1 dad mug\n{red|blue} sun\n{{masterpiece}}, sea\n[red] sun\n## note\n#\n")
    assert [prompt for prompt, _ in found] == ["{red|blue} sun", "{{masterpiece}}, sea", "[red] sun"]
    assert "line 1 begins with # and is left out" in done.err
    assert "line 2 begins with {" in done.err
    assert "line 3 begins with {" in done.err
    assert "line 5" not in done.err


def test_keys_of_other_programs_are_understood(fmboost):
    line = {"prompt": "sun", "width": 64, "height": 32, "cfg_scale": 1, "count": 2, "seed": 3}
    done, found = prompts_of(fmboost, json.dumps(line).encode())
    assert found == [("sun", 3), ("sun", 4)]
    assert [(record["width"], record["height"]) for record in done.records] == [(64, 32)] * 2
    _, ((_, seed),) = prompts_of(fmboost, b'{"prompt": "sun", "seed": -1}', "-o", "b/")
    assert seed != 42


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"width": 64}, "belong together"), ({"width": 64, "height": 64, "size": 64}, "either 'size'"),
     ({"cfg_scale": 2, "guidance": 2}, "cfg_scale"), ({"count": 0}, "count"), ({"count": "two"}, "count"),
     ({"seed": -1.5}, "seed")],
)  # fmt: skip
def test_contradicting_keys_are_refused(fmboost, settings, named):
    (fmboost.folder / "p.txt").write_text(json.dumps({"prompt": "sun"} | settings))
    assert named in fmboost.generate("--prompts", "p.txt", code=2).err


@pytest.mark.parametrize("batch", [1, 4])
def test_images_come_out_while_prompts_are_still_fed(fmboost, batch):
    arguments = with_defaults(("--prompts", "-", "--json", "--batch-size", batch), (*QUICK, *PLACE))
    process = fmboost.start("generate", *arguments, stdin=-1, stdout=-1, stderr=-1)
    for i, prompt in enumerate(("sun", "moon", "sea")):
        process.stdin.write(f"{prompt}\n".encode())
        process.stdin.flush()
        record = json.loads(process.stdout.readline())
        assert (record["prompt"], record["output"]) == (prompt, f"fmboost_{i}_42.png")
    process.stdin.close()
    assert process.wait(60) == 0


def test_an_interrupt_ends_the_wait_for_prompts(fmboost):
    process = fmboost.start("generate", *with_defaults(("--prompts", "-"), (*QUICK, *PLACE)), stdin=-1, stdout=-1, stderr=-1)
    process.stdin.write(b"sun\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"fmboost_0_42.png\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_values_that_are_nested_too_deep_are_refused(fmboost):
    deep = '{"prompt": ' + 100000 * "[" + 100000 * "]" + "}"
    for text in (deep, f"[{deep}]"):
        (fmboost.folder / "p.txt").write_text(text)
        assert "not valid JSON" in fmboost.generate("--prompts", "p.txt", code=2).err


def test_very_many_lines_take_little_time(fmboost):
    (fmboost.folder / "p.txt").write_text(200000 * "sun\n" + '{"prompt"\n')
    assert "line 200001" in fmboost.generate("--prompts", "p.txt", code=2).err
