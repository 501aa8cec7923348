"""Image files of every kind against what they were made from."""

import struct
import zlib

import numpy as np
import pytest
from image_corpus import CORPUS, DAMAGED, HEADERS, HEIGHT, NAMED, TRUNCATED, WIDTH, chunk, png
from PIL import Image


@pytest.fixture(scope="module")
def measured(shared):
    """One comparison of the whole corpus with PNGs of what it was made from."""
    for folder in ("given", "expected"):
        (shared.folder / folder).mkdir()
    for name, (content, samples, maximum, _) in CORPUS.items():
        stem = name.replace(".", "_")
        (shared.folder / "given" / f"{stem}.{name.split('.')[1]}").write_bytes(content)
        deep = np.round(np.asarray(samples, float) * 65535 / maximum).astype(">u2")
        write_png16(shared.folder / "expected" / f"{stem}.png", deep)
    done = shared("eval", "pairs", "given", "expected", "--json", code=None)
    return {path_stem(record["input"]): record for record in done.records if "input" in record}


def write_png16(path, samples):
    """16-bit PNG, gray or RGB, by hand: Pillow writes no RGB of 16 bits."""
    raw = b"".join(b"\0" + row.tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, 0 if samples.ndim == 2 else 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def path_stem(path):
    return path.rsplit("/", 1)[1].rsplit(".", 1)[0]


@pytest.mark.parametrize("name", CORPUS)
def test_an_image_of_this_kind_has_the_samples_it_was_made_from(measured, name):
    record = measured[name.replace(".", "_")]
    if "built without" in (record.get("error") or ""):
        pytest.skip(record["error"])
    assert not record.get("error"), record
    assert record["mse"] <= CORPUS[name][3]


@pytest.mark.parametrize("name", DAMAGED)
def test_a_complete_image_is_upscaled_with_one_warning(fmboost, name):
    content, warning = DAMAGED[name]
    (fmboost.folder / name).write_bytes(content)
    done = fmboost.upscale(name, "-o", "out.png")
    warnings = [line for line in done.err.splitlines() if line.startswith("warning") and "not kept" not in line]
    assert len(warnings) == 1, done.err
    assert warning in warnings[0]
    assert name in warnings[0]
    assert Image.open(fmboost.folder / "out.png").size == (2 * WIDTH, 2 * HEIGHT)


def test_thousands_of_texts_are_no_damage(fmboost):
    (fmboost.folder / "a.png").write_bytes(png(b"".join(chunk(b"tEXt", b"k%d\0v" % i) for i in range(1100))))
    assert "warning" not in fmboost.upscale("a.png", "-o", "out.png").err
    assert Image.open(fmboost.folder / "out.png").text["k1099"] == "v"


@pytest.mark.parametrize("name", TRUNCATED)
def test_missing_image_data_are_an_error(fmboost, name):
    (fmboost.folder / name).write_bytes(TRUNCATED[name])
    done = fmboost.upscale(name, "-o", "out.png", code=1)
    assert name in done.err
    assert "truncated" in done.err or "damaged" in done.err
    assert not (fmboost.folder / "out.png").exists()


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_read_is_called_by_its_name(fmboost, name):
    content, said = NAMED[name]
    (fmboost.folder / name).write_bytes(content)
    assert said in fmboost.upscale(name, "-o", "out.png", code=1).err


@pytest.mark.parametrize("name", HEADERS)
def test_sizes_are_refused_from_the_header(fmboost, name):
    (fmboost.folder / name).write_bytes(HEADERS[name])
    assert "60000x60000" in fmboost.upscale(name, "-o", "out.png", code=1).err
