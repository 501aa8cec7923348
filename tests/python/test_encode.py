"""`encode`: its shards hold what plain PyTorch computes, others read them, and nothing that happens damages them."""

import io
import json
import os
import resource
import signal
import subprocess
import tarfile

import numpy as np
import pytest
import skimage.data
import torch
import webdataset
from PIL import Image
from shards import DEFAULT_MODEL, FACTOR, PlainEncoder, array_bytes, read_shard, read_shards, shard_names, write_shard

SIZES = ("--low", 64, "--high", 128)
LATENT_ERROR = 1e-4  # of the largest value


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two photographs in folders and of formats of their own."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    Image.fromarray(skimage.data.astronaut()[:300, 100:340]).save(folder / "astronaut.png")
    Image.fromarray(skimage.data.coffee()[50:250, 100:400]).save(folder / "more" / "coffee.webp", lossless=True)
    return folder


@pytest.fixture(scope="module")
def many_images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    photo = skimage.data.astronaut()
    for i in range(24):
        Image.fromarray(photo[10 * i : 10 * i + 130, 12 * i : 12 * i + 140]).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def encode(fmboost):
    def run(*arguments, check=True):
        return fmboost("encode", *arguments, "-m", DEFAULT_MODEL, check=check)

    return run


@pytest.fixture
def start(binary, tmp_path):
    """Starts `encode` with a shard for two images and returns the process once the first shard is there."""

    def run(folder, output, **options):
        process = subprocess.Popen(
            [binary, "encode", folder, "-o", output, *map(str, SIZES), "--samples-per-shard", "2", "--device", "cpu",
             "--threads", "1", "--num-workers", "1", "-m", DEFAULT_MODEL],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}, **options,
        )  # fmt: skip
        first = process.stdout.readline().strip()
        assert first.endswith("shard-000000.tar"), process.communicate()
        return process

    return run


def assert_close(found, expected):
    found, expected = torch.as_tensor(found).float(), expected.float()
    assert found.shape == expected.shape
    assert (found - expected).abs().max() / expected.abs().max() < LATENT_ERROR


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("coupling", ["pixel", "latent"])
def test_shards_hold_what_plain_pytorch_computes(encode, photos, tmp_path, coupling):
    encode(photos, "-o", tmp_path / "out", *SIZES, "--crops", 3, "--flip", "--upsampling", coupling, "--store", "float32")
    plain = PlainEncoder()
    samples = read_shards(tmp_path / "out")
    assert list(samples) == [f"{image:08}_{crop}" for image in (0, 1) for crop in (0, 1, 2)]
    crops = [sample["json"] for sample in samples.values()]
    assert {crop["flipped"] for crop in crops} == {False, True}
    assert len({(crop["left"], crop["top"]) for crop in crops}) == 6
    assert {crop["source"] for crop in crops} == {"astronaut.png", "more/coffee.webp"}
    for sample in samples.values():
        latent, context = plain.pair(photos / sample["json"]["source"], sample["json"], coupling)
        assert latent.std() > 0.1, "the latent is too even to show an error"
        assert_close(sample["latent.npy"], latent)
        assert_close(sample["latent_lowres.npy"], context)
        assert sample["latent.npy"].shape == (16, 128 // FACTOR, 128 // FACTOR)
        side = (128 if coupling == "pixel" else 64) // FACTOR
        assert sample["latent_lowres.npy"].shape == (16, side, side)


def test_half_precision_is_stored_unless_asked_otherwise(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "half", *SIZES)
    encode(photos, "-o", tmp_path / "full", *SIZES, "--store", "float32")
    half, full = read_shards(tmp_path / "half"), read_shards(tmp_path / "full")
    for key, sample in full.items():
        for suffix in ("latent.npy", "latent_lowres.npy"):
            assert half[key][suffix].dtype == np.float16
            assert sample[suffix].dtype == np.float32
            assert np.array_equal(half[key][suffix], sample[suffix].astype(np.float16))


def test_center_crops_and_fitting(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "center", *SIZES, "--crop", "center")
    for sample in read_shards(tmp_path / "center").values():
        width, height = Image.open(photos / sample["json"]["source"]).size
        assert (sample["json"]["left"], sample["json"]["top"]) == ((width - 128) // 2, (height - 128) // 2)
    encode(photos, "-o", tmp_path / "fit", *SIZES, "--fit", "--keep-images")
    for sample in read_shards(tmp_path / "fit").values():
        crop = sample["json"]
        photo = Image.open(photos / crop["source"])
        fitted = photo.resize((crop["width"], crop["height"]), Image.Resampling.BICUBIC)
        assert min(fitted.size) == 128
        square = np.asarray(fitted).astype(int)[crop["top"] : crop["top"] + 128, crop["left"] : crop["left"] + 128]
        assert abs(np.asarray(Image.open(io.BytesIO(sample["jpg"]))).astype(int) - square).mean() < 3


def test_kept_images_are_the_large_squares(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "out", *SIZES, "--flip", "--crops", 2, "--keep-images", "--quality", 98)
    for sample in read_shards(tmp_path / "out").values():
        expected = (PlainEncoder().square(photos / sample["json"]["source"], sample["json"])[0] + 1) * 127.5
        found = np.asarray(Image.open(io.BytesIO(sample["jpg"]))).astype(float)
        assert found.shape == (128, 128, 3)
        assert abs(found - expected.permute(1, 2, 0).numpy()).mean() < 3


def test_arrays_are_the_bytes_that_numpy_saves(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "out", *SIZES)
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as archive:
        members = archive.getmembers()
        for member in members:
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            if member.name.endswith(".npy"):
                content = archive.extractfile(member).read()
                assert content == array_bytes(np.load(io.BytesIO(content)))
    assert [member.name for member in members] == [
        f"{image:08}_0.{suffix}" for image in (0, 1) for suffix in ("json", "latent.npy", "latent_lowres.npy")
    ]


def test_webdataset_reads_the_shards(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "out", *SIZES, "--samples-per-shard", 1, "--keep-images")
    shards = [str(tmp_path / "out" / name) for name in shard_names(tmp_path / "out")]
    assert len(shards) == 2
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb"))
    expected = read_shards(tmp_path / "out")
    assert [sample["__key__"] for sample in samples] == list(expected)
    for sample in samples:
        for suffix in ("latent.npy", "latent_lowres.npy"):
            assert np.array_equal(sample[suffix], expected[sample["__key__"]][suffix])
        assert sample["jpg"].shape == (128, 128, 3)
        assert sample["json"]["high"] == 128


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_tarfile_are_read(fmboost, tmp_path, tar_format):
    arrays = np.random.default_rng(1).standard_normal((6, 4, 8, 8), dtype=np.float32)
    members = {}
    for i, folder in enumerate(["", "./folder/", "a/" * 40 + "long/" * 20]):
        members |= {
            f"{folder}sample{i}.txt": b"a caption",
            f"{folder}sample{i}.latent.npy": arrays[i].astype(np.float16 if i == 1 else np.float32),
            f"{folder}sample{i}.latent_lowres.npy": np.asfortranarray(arrays[3 + i]),
        }
    write_shard(tmp_path / "000000.tar", members, tar_format)
    done = fmboost("inspect", tmp_path, "--verify", "--json")
    found = json.loads(done.stdout)
    assert (found["samples"], found["latent"], found["latent_lowres"]) == (3, [4, 8, 8], [4, 8, 8])
    assert found["verified"] == ["all latents of 3 samples"]


def test_shards_of_webdataset_are_read(fmboost, tmp_path):
    arrays = np.random.default_rng(1).standard_normal((4, 4, 8, 8), dtype=np.float32)
    with webdataset.TarWriter(str(tmp_path / "train-000000.tar")) as writer:
        for i in range(2):
            writer.write({"__key__": f"{i:06}", "latent.npy": arrays[i], "latent_lowres.npy": arrays[2 + i]})
    found = json.loads(fmboost("inspect", tmp_path / "train-000000.tar", "--verify", "--json").stdout)
    assert (found["samples"], found["latent"]) == (2, [4, 8, 8])


def test_damaged_shards_are_named(fmboost, tmp_path):
    array = np.zeros((4, 8, 8), np.float32)
    bad = array.copy()
    bad[1, 2, 3] = np.nan
    cases = {
        "no partner": {"k.latent.npy": array},
        "does not fit": {"k.latent.npy": array, "k.latent_lowres.npy": array[:, :7]},
        "not finite": {"k.latent.npy": array, "k.latent_lowres.npy": bad},
        "no pairs of latents": {"k.npy": array, "k.json": b"{}"},
    }
    for message, members in cases.items():
        write_shard(tmp_path / "a.tar", members)
        done = fmboost("inspect", tmp_path / "a.tar", "--verify", check=False)
        assert done.returncode == 1
        assert message in done.stderr
        assert "a.tar" in done.stderr
    write_shard(tmp_path / "a.tar", {"k.latent.npy": array, "k.latent_lowres.npy": array})
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:3000])
    done = fmboost("inspect", tmp_path / "a.tar", check=False)
    assert "truncated" in done.stderr
    assert "k.latent_lowres.npy" in done.stderr


def test_dataset_json_says_how_the_shards_were_made(encode, photos, tmp_path):
    encode(photos, "-o", tmp_path / "out", *SIZES, "--crops", 2, "--seed", 7)
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    bundle = json.loads((DEFAULT_MODEL / "bundle.json").read_text())
    assert info["bundle"]["name"] == bundle["name"]
    assert info["autoencoder"] == {
        "hash": bundle["autoencoder"]["sha256"],
        **{key: bundle["autoencoder"][key] for key in ("factor", "latent_channels", "scale", "shift")},
    }
    assert (info["low"], info["high"], info["crops"], info["seed"]) == (64, 128, 2, 7)
    assert (info["upsampling"], info["stored_dtype"], info["images"], info["shards"]) == ("pixel", "float16", 2, 1)
    record = json.loads((tmp_path / "out" / "shard-000000.json").read_text())
    assert record["samples"] == 4


def test_a_killed_run_goes_on_with_the_same_result(encode, start, many_images, tmp_path):
    options = (*SIZES, "--samples-per-shard", 2)
    encode(many_images, "-o", tmp_path / "whole", *options)
    process = start(many_images, tmp_path / "cut")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = shard_names(tmp_path / "cut")
    assert 1 <= len(finished) < 12
    times = {name: (tmp_path / "cut" / name).stat().st_mtime_ns for name in finished[:1]}
    done = encode(many_images, "-o", tmp_path / "cut", *options)
    assert "already existed" in done.stderr
    assert finished[0] not in done.stdout
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert {name: (tmp_path / "cut" / name).stat().st_mtime_ns for name in times} == times


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_whole_shards_alone(start, many_images, tmp_path, number):
    process = start(many_images, tmp_path / "out")
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert "interrupted" in errors
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    shards = shard_names(tmp_path / "out")
    assert 1 <= len(shards) < 12
    assert names == sorted(["dataset.json", *shards, *(name.replace(".tar", ".json") for name in shards)])
    for name in shards:
        assert len(read_shard(tmp_path / "out" / name)) == 2


def test_a_full_disk_is_named_and_leaves_no_half_shard(binary, photos, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [binary, "encode", photos, "-o", tmp_path / "out", *map(str, SIZES), "--device", "cpu", "-m", DEFAULT_MODEL],
        capture_output=True, text=True, preexec_fn=limit, restore_signals=False,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "shard-000000.tar" in done.stderr
    assert "File too large" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dataset.json"]


def test_bad_images_are_reported_and_left_out(encode, photos, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "photo.png").write_bytes((photos / "astronaut.png").read_bytes())
    (folder / "cut.png").write_bytes((photos / "astronaut.png").read_bytes()[:3000])
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (400, 127)).save(folder / "small.png")
    for _ in range(2):  # a finished folder says the same again
        done = encode(folder, "-o", tmp_path / "out", *SIZES, check=False)
        assert done.returncode == 3
        for name in ("cut.png", "empty.jpg", "small.png"):
            assert name in done.stderr
        assert "400x127" in done.stderr
        assert "3 of 4 images were skipped" in done.stderr
    assert [sample["json"]["source"] for sample in read_shards(tmp_path / "out").values()] == ["photo.png"]


def test_machines_share_the_work(encode, many_images, tmp_path):
    options = (*SIZES, "--samples-per-shard", 5)
    encode(many_images, "-o", tmp_path / "whole", *options)
    listed = []
    for i in range(2):
        done = encode(many_images, "-o", tmp_path / "shared", *options, "--shard", f"{i}/2", "--json")
        listed += [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(line["samples"] for line in listed) == 24
    assert len({line["output"] for line in listed}) == 5
    assert contents(tmp_path / "shared") == contents(tmp_path / "whole")


def test_wrong_use_is_explained(encode, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    encode(photos, "-o", tmp_path / "out", *SIZES)
    cases = [
        (2, "no images in", (tmp_path / "empty", *SIZES)),
        (2, "not a folder", (photos / "astronaut.png", *SIZES)),
        (2, "a multiple of --low", (photos, "--low", 64, "--high", 100)),
        (2, f"multiple of {FACTOR}", (photos, "--low", 33, "--high", 66)),
        (2, "unknown crop 'left': use random or center", (photos, *SIZES, "--crop", "left")),
        (2, "--crops", (photos, *SIZES, "--crop-s", 2)),
        (1, "seed was 42 and is 43", (photos, *SIZES, "--seed", 43)),
    ]
    before = contents(tmp_path / "out")
    for code, message, arguments in cases:
        done = encode(*arguments, "-o", tmp_path / "out", check=False)
        assert done.returncode == code, (arguments, done.stderr)
        assert message in done.stderr
    assert contents(tmp_path / "out") == before
