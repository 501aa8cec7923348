"""fmboost-draw: every image depends on its seed alone and is written to the given destination."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[4]
BINARY = os.environ.get("FMBOOST_DRAW_BINARY", ROOT / "build" / "release" / "bin" / "fmboost-draw")


def draw(*arguments, code=0, **options):
    command = [str(part) for part in (BINARY, *arguments)]
    done = subprocess.run(command, capture_output=True, timeout=100, **options)
    assert done.returncode == code, done.stderr.decode()
    return done


def raw(*arguments, **options):
    return draw(*arguments, "--raw", "-", **options).stdout


def test_raw_images_are_in_order_of_seeds():
    three = raw("leaves", "--size", 40, "--count", 3, "--seed", 500)
    assert len(three) == 3 * 40 * 40 * 3
    for i in range(3):
        one = raw("leaves", "--size", 40, "--seed", 500 + i)
        assert three[i * len(one) : (i + 1) * len(one)] == one
    assert len({three[i::3] for i in range(3)}) == 3


def test_the_number_of_threads_does_not_matter():
    images = [raw("leaves", "--size", 64, "--count", 12, "--threads", n) for n in (1, 2, 5)]
    assert images[0] == images[1] == images[2]


def test_the_default_seed_follows_the_held_out_ones():
    assert raw("leaves", "--size", 32) == raw("leaves", "--size", 32, "--seed", 100000)


def test_crops_are_written_in_order():
    crops = raw("leaves", "--crops", 5, "--size", 32, "--canvas", 96, "--count", 2)
    assert len(crops) == 2 * 5 * 32 * 32 * 3
    later = raw("leaves", "--crops", 5, "--size", 32, "--canvas", 96, "--seed", 100001)
    assert crops[len(later) :] == later
    assert crops != raw("leaves", "--crops", 5, "--size", 32, "--canvas", 97, "--count", 2)


def test_crops_default_to_128_pixels_from_512():
    crops = raw("leaves", "--crops", 2)
    assert crops == raw("leaves", "--crops", 2, "--size", 128, "--canvas", 512)


def test_an_endless_stream_ends_quietly_when_its_reader_closes():
    command = [BINARY, "leaves", "--size", "32", "--count", "0", "--raw", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        begin = process.stdout.read(20 * 32 * 32 * 3)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 0
    assert begin == raw("leaves", "--size", 32, "--count", 20)


def test_files_contain_the_same_pixels(tmp_path):
    draw("leaves", "--size", 48, "--count", 2, "--seed", 7, "-o", tmp_path / "new" / "folder")
    files = sorted((tmp_path / "new" / "folder").iterdir())
    assert [file.name for file in files] == ["leaves_7.png", "leaves_8.png"]
    pixels = b"".join(Image.open(file).convert("RGB").tobytes() for file in files)
    assert pixels == raw("leaves", "--size", 48, "--count", 2, "--seed", 7)


def test_crops_in_files_are_numbered(tmp_path):
    draw("leaves", "--size", 32, "--crops", 3, "--canvas", 64, "--seed", 7, "-o", tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"leaves_7_{i}.png" for i in range(3)]
    assert {Image.open(file).size for file in tmp_path.iterdir()} == {(32, 32)}


def test_files_are_reproducible(tmp_path):
    digests = []
    for _ in range(2):
        draw("leaves", "--size", 32, "--seed", 3, "-o", tmp_path)
        digests.append(hashlib.sha256((tmp_path / "leaves_3.png").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


WRONG = {
    "no destination": (["leaves"], "-o FOLDER or --raw -"),
    "two destinations": (["leaves", "-o", "f", "--raw", "-"], "-o FOLDER or --raw -"),
    "raw into a file": (["leaves", "--raw", "file"], "'file'"),
    "endless files": (["leaves", "-o", "f", "--count", "0"], "--raw"),
    "canvas alone": (["leaves", "--raw", "-", "--canvas", "99"], "--crops"),
    "canvas too small": (["leaves", "--raw", "-", "--crops", "1", "--canvas", "100"], "128"),
    "size too small": (["leaves", "--raw", "-", "--size", "15"], "16 .. 4096"),
    "size too large": (["leaves", "--raw", "-", "--size", "4097"], "16 .. 4096"),
    "size no number": (["leaves", "--raw", "-", "--size", "12x"], "'12x' is not a whole number"),
    "size fraction": (["leaves", "--raw", "-", "--size", "64.5"], "'64.5' is not a whole number"),
    "negative count": (["leaves", "--raw", "-", "--count", "-1"], "'-1' is not within"),
    "negative seed": (["leaves", "--raw", "-", "--seed", "-1"], "'-1' is not within"),
    "seed too large": (["leaves", "--raw", "-", "--seed", "99999999999999999999"], "is not within"),
    "threads": (["leaves", "--raw", "-", "--threads", "1000"], "0 .. 256"),
    "no crops": (["leaves", "--raw", "-", "--crops", "0"], "'0' is not within"),
    "unknown option": (["leaves", "--raw", "-", "--color", "red"], "--color"),
    "unknown kind": (["portraits"], "portraits"),
    "captions of leaves": (["leaves", "--raw", "-", "--captions", "f"], "--captions"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_errors_are_reported_and_nothing_is_written(arguments, message, tmp_path):
    done = draw(*arguments, code=2, cwd=tmp_path)
    assert done.stdout == b""
    error = done.stderr.decode()
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "--help`" in error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    done = draw("leaves", "--size", 16, "-o", tmp_path / "file" / "below", code=1)
    assert f"'{tmp_path}/file/below'" in done.stderr.decode()


def test_help_mentions_the_kinds_and_held_out_seeds():
    assert "leaves" in draw("--help").stdout.decode()
    assert "held out" in draw("leaves", "--help").stdout.decode()
