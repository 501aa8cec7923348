"""`fmboost eval` measures what scikit-image, torchmetrics and Pillow measure, and says what is wrong with bad input."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

MEASURES = ("psnr_y", "psnr_rgb", "ssim_y", "ssim_rgb", "mse", "color_shift")
SIZES = {"a": (61, 40), "b": (33, 48), "c": (40, 40)}  # width, height


def blurred(random, width, height):
    noise = torch.from_numpy(random.standard_normal((1, 3, height // 4 + 2, width // 4 + 2)))
    smooth = F.interpolate(noise, size=(height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(120 + 60 * smooth + 8 * random.standard_normal(smooth.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """mine/ and theirs/: images of three sizes, one of them gray, and noisy copies."""
    random = np.random.default_rng(5)
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
    for name, (width, height) in SIZES.items():
        original = blurred(random, width, height)
        if name == "c":
            original = original[..., 1]
        noisy = original + random.normal(3, 12, original.shape)
        Image.fromarray(original).save(tmp_path / "theirs" / f"{name}.png")
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(tmp_path / "mine" / f"{name}.png")
    return tmp_path / "mine", tmp_path / "theirs"


def rgb(path):
    return np.asarray(Image.open(path).convert("RGB"))


def reference_quality(image, original, border=0):
    """With scikit-image."""
    inner = slice(border, -border or None)
    a, b = image[inner, inner], original[inner, inner]
    luma_a, luma_b = rgb2ycbcr(a)[..., 0], rgb2ycbcr(b)[..., 0]
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    difference = a.astype(float) - b
    return {
        "psnr_y": peak_signal_noise_ratio(luma_b, luma_a, data_range=255),
        "psnr_rgb": peak_signal_noise_ratio(b, a, data_range=255),
        "ssim_y": structural_similarity(luma_b, luma_a, **window),
        "ssim_rgb": structural_similarity(b, a, channel_axis=-1, **window),
        "mse": (difference**2).mean(),
        "color_shift": abs(difference.mean((0, 1))).max(),
    }


def lines(done):
    """The images' lines and the summary."""
    *images, summary = map(json.loads, done.stdout.splitlines())
    return images, summary["summary"]


def close(found, expected):
    return {key: found[key] for key in MEASURES} == pytest.approx(expected, abs=1e-4, rel=1e-6)


@pytest.mark.parametrize("border", [0, 4])
def test_pairs_are_measured_as_scikit_image_does(fmboost, folders, border):
    mine, theirs = folders
    images, summary = lines(fmboost("eval", "pairs", mine, theirs, "--border", border, "--json"))
    assert [line["input"] for line in images] == [str(mine / f"{name}.png") for name in SIZES]
    for line in images:
        expected = reference_quality(rgb(line["input"]), rgb(line["reference"]), border)
        assert 15 < expected["psnr_rgb"] < 30 and 0.3 < expected["ssim_y"] < 0.98
        assert close(line, expected) and line["error"] is None
    assert (summary["images"], summary["failed"], summary["border"]) == (3, 0, border)


def test_ssim_is_torchmetrics_of_the_windows_within_the_image(fmboost, folders):
    images, _ = lines(fmboost("eval", "pairs", *folders, "--json"))
    for line in images:
        both = [torch.from_numpy(rgb(line[key]).copy()) for key in ("input", "reference")]
        a, b = (image.permute(2, 0, 1)[None].double() for image in both)
        _, image = structural_similarity_index_measure(a, b, data_range=255.0, return_full_image=True)
        assert line["ssim_rgb"] == pytest.approx(float(image[..., 5:-5, 5:-5].mean()), abs=1e-4)


def test_means_come_with_their_confidence_intervals(fmboost, folders):
    images, summary = lines(fmboost("eval", "pairs", *folders, "--json"))
    for key in MEASURES:
        values = [line[key] for line in images]
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        found = summary["means"][key]
        assert found["mean"] == pytest.approx(np.mean(values))
        assert found["half_width"] == pytest.approx((high - low) / 2)


def test_the_tables_hold_every_image_and_the_means(fmboost, folders, tmp_path):
    text = fmboost("eval", "pairs", *folders, "-o", tmp_path / "report.md").stdout
    assert (tmp_path / "report.md").read_text() == text
    _, summary = lines(fmboost("eval", "pairs", *folders, "--json", "-o", tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["summary"] == summary and len(report["images"]) == 3
    for line, name in zip(report["images"], SIZES, strict=True):
        assert re.search(rf"^\| {name} \| {line['psnr_y']:.2f} \| {line['psnr_rgb']:.2f} \|.*$", text, re.M)
    mean = summary["means"]["psnr_y"]
    assert f"| Mean of 3 | PSNR-Y | PSNR-RGB |" in text
    assert f"| all | {mean['mean']:.2f} ± {mean['half_width']:.2f} |" in text


def test_equal_images_are_infinitely_good(fmboost, folders):
    _, theirs = folders
    images, summary = lines(fmboost("eval", "pairs", theirs, theirs, "--json"))
    assert all(line["psnr_y"] is None and line["mse"] == 0 and line["ssim_y"] == pytest.approx(1) for line in images)
    assert summary["means"]["psnr_rgb"] == {"mean": None, "half_width": None}
    assert "| all | inf | inf | 1.0000" in fmboost("eval", "pairs", theirs, theirs).stdout


def test_two_files_can_be_compared_whatever_their_names(fmboost, folders):
    mine, theirs = folders
    images, _ = lines(fmboost("eval", "pairs", mine / "a.png", theirs / "a.png", "--json"))
    assert close(images[0], reference_quality(rgb(mine / "a.png"), rgb(theirs / "a.png")))


def test_partners_that_are_missing_are_named_before_any_work(fmboost, folders):
    mine, theirs = folders
    (mine / "a.png").unlink()
    (theirs / "c.png").rename(theirs / "d.png")
    done = fmboost("eval", "pairs", mine, theirs, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert "1 image of" in done.stderr and "'c.png'" in done.stderr and "'a.png', 'd.png'" in done.stderr


def test_images_that_fail_are_named_and_the_rest_is_measured(fmboost, folders, tmp_path):
    mine, theirs = folders
    Image.fromarray(np.zeros((30, 61, 3), np.uint8)).save(mine / "a.png")
    (theirs / "b.png").write_bytes((theirs / "b.png").read_bytes()[:100])
    done = fmboost("eval", "pairs", mine, theirs, "--json", check=False)
    assert done.returncode == 3
    assert "a.png" in done.stderr and "61x30 and 61x40" in done.stderr and "b.png" in done.stderr
    images, summary = lines(done)
    assert [line["error"] is None for line in images] == [False, False, True]
    assert (summary["images"], summary["failed"]) == (1, 2)
    done = fmboost("eval", "pairs", mine / "a.png", theirs / "a.png", check=False)
    assert done.returncode == 1 and "61x30 and 61x40" in done.stderr and done.stdout == ""


def test_usage_errors_say_what_was_expected(fmboost, folders, tmp_path):
    mine, theirs = folders

    def refused(*arguments):
        done = fmboost("eval", *arguments, check=False)
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    assert "needs one of the commands pairs, upscale, fid" in refused()
    assert "unknown argument 'fid'" in refused("pairs", mine, theirs, "fid", mine, theirs)
    assert "'nowhere' does not exist" in refused("pairs", "nowhere", theirs)
    (tmp_path / "empty").mkdir()
    assert "contains no images" in refused("pairs", tmp_path / "empty", theirs)
    assert "command 'pair'; did you mean 'pairs'?" in refused("pair", mine, theirs)
    assert ".md or .json" in refused("pairs", mine, theirs, "-o", "report.txt")
    assert "--scale" in refused("upscale", mine, "--scale", 1)
    assert "--inception" in refused("fid", mine, theirs)


def test_an_existing_report_is_replaced_only_with_force(fmboost, folders, tmp_path):
    report = tmp_path / "report.json"
    report.write_text("mine")
    arguments = ("eval", "pairs", *folders, "-o", report)
    done = fmboost(*arguments, check=False)
    assert done.returncode == 1 and "--force" in done.stderr and report.read_text() == "mine"
    fmboost(*arguments, "--force")
    assert json.loads(report.read_text())["summary"]["images"] == 3


def reduced(path, scale):
    """The original, cut to a multiple of the scale, and the small image, as 8-bit arrays."""
    image = rgb(path)
    height, width = (side // scale * scale for side in image.shape[:2])
    original = image[:height, :width]
    pixels = torch.from_numpy(original.copy()).permute(2, 0, 1)[None].float()
    low = F.interpolate(pixels, size=(height // scale, width // scale), mode="bicubic", antialias=True)
    return original, low[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()


def upscaled_by_pillow(low, shape, kernel):
    """In floating point, since Pillow rounds 8-bit images between its two passes."""
    channels = [Image.fromarray(channel).resize(shape[1::-1], kernel) for channel in low.transpose(2, 0, 1).astype("f")]
    return np.stack(channels, -1).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 4])
def test_upscaling_is_measured_beside_what_needs_no_model(fmboost, models, folders, tmp_path, scale):
    _, originals = folders
    options = ("--scale", scale, "-m", models.bundle("ddim"), "--fidelity", scale / 4)
    done = fmboost("eval", "upscale", originals, *options, "--json")
    images, summary = lines(done)
    assert (summary["scale"], summary["border"], summary["images"]) == (scale, scale, 3)
    for line in images:
        original, low = reduced(line["input"], scale)
        Image.fromarray(low).save(tmp_path / "low.png")
        fmboost("upscale", tmp_path / "low.png", *options, "--force", "-o", tmp_path / "high.png")
        assert sorted(line["methods"]) == ["back_projection", "bicubic", "lanczos", "model"]
        assert close(line["methods"]["model"], reference_quality(rgb(tmp_path / "high.png"), original, scale))
        for method, kernel in (("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS)):
            expected = reference_quality(upscaled_by_pillow(low, original.shape, kernel), original, scale)
            assert {key: line["methods"][method][key] for key in MEASURES} == pytest.approx(expected, abs=2e-3, rel=1e-4)
    psnr, ssim = ({key: value[name]["mean"] for key, value in summary["means"].items()} for name in ("psnr_y", "ssim_y"))
    assert psnr["back_projection"] > psnr["bicubic"] + 0.1
    assert ssim["gain"] == pytest.approx(ssim["model"] - ssim["back_projection"])


def test_the_upscaling_tables_show_all_methods(fmboost, models, folders):
    text = fmboost("eval", "upscale", folders[1], "-m", models.bundle("ddim"), "-q").stdout
    assert text.startswith("3 images, 2x, border 2; ")
    assert re.search(r"^\| PSNR-Y / SSIM-Y \| bicubic \| Lanczos \| bicubic \+ 2 back-projections \| ddim \|", text, re.M)
    for row in ("bicubic", "Lanczos", r"bicubic \+ 2 back-projections", "ddim"):
        assert re.search(rf"^\| {row} \| \d+\.\d\d ± \d+\.\d\d \|", text, re.M)
    assert re.search(r"^\| gain over the previous row \| [+-]\d+\.\d\d ± \d+\.\d\d \|", text, re.M)


class Means(torch.nn.Module):
    """A feature extractor small enough for tests: what random filters find, averaged over the image."""

    num_features = 12

    def __init__(self):
        super().__init__()
        self.filters = torch.nn.Conv2d(3, self.num_features, 5, stride=3)

    def forward(self, images):
        return 10 * self.filters(images.to(self.filters.weight.dtype) / 255).relu().mean((2, 3))


@pytest.fixture
def extractor(tmp_path):
    torch.manual_seed(0)
    module = Means().eval().requires_grad_(False)
    torch.jit.trace(module, torch.zeros(1, 3, 16, 16, dtype=torch.uint8)).save(str(tmp_path / "features.pt"))
    return module, tmp_path / "features.pt"


@pytest.fixture
def sets(tmp_path):
    """Two folders with the same number of unpaired images, 20x20, apart in brightness."""
    random = np.random.default_rng(3)
    folders = []
    for folder, shift in (("real", 0), ("drawn", 25)):
        (tmp_path / folder).mkdir()
        for index in range(16):
            image = np.clip(blurred(random, 20, 20).astype(int) + shift, 0, 255)
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / folder / f"{folder}_{index}.png")
        folders.append(tmp_path / folder)
    return folders


def torchmetrics_fid(module, real, drawn, repeats=1):
    metric = FrechetInceptionDistance(feature=module, reset_real_features=False).set_dtype(torch.float64)
    for folder, is_real in ((real, True), (drawn, False)):
        images = np.stack([rgb(path) for path in sorted(folder.iterdir())])
        for _ in range(repeats):
            metric.update(torch.from_numpy(images).permute(0, 3, 1, 2), real=is_real)
    return float(metric.compute())


def test_fid_is_torchmetrics(fmboost, extractor, sets):
    module, program = extractor
    done = fmboost("eval", "fid", *sets, "--inception", program, "--batch-size", 5, "--json")
    _, summary = lines(done)
    expected = torchmetrics_fid(module, *sets)
    assert expected > 0.01
    assert summary["fid"] == pytest.approx(expected, rel=1e-3)
    assert (summary["features"], summary["images"], summary["crops"]) == (12, [16, 16], [0, 0])
    assert summary["patch_fid"] is None and "no patch-FID: 32 images are smaller" in done.stderr


def test_patch_fid_is_of_four_crops_a_image(fmboost, extractor, sets):
    module, program = extractor
    arguments = ("eval", "fid", *sets, "--inception", program, "--json", "--crop-size")
    _, whole = lines(fmboost(*arguments, 20))
    assert whole["crops"] == [64, 64]
    assert whole["patch_fid"] == pytest.approx(torchmetrics_fid(module, *sets, repeats=4), rel=1e-3)
    _, small = lines(fmboost(*arguments, 12))
    _, again = lines(fmboost(*arguments, 12))
    _, elsewhere = lines(fmboost(*arguments, 12, "--seed", 7))
    assert small["patch_fid"] == again["patch_fid"] != elsewhere["patch_fid"]
    assert small["patch_fid"] == pytest.approx(elsewhere["patch_fid"], rel=0.5)


def test_the_fid_table_shows_both_distances(fmboost, extractor, sets):
    text = fmboost("eval", "fid", *sets, "--inception", extractor[1], "--crop-size", 12).stdout
    assert re.search(r"^\| FID \| \d+\.\d{4} \| 16 \| 16 \|$", text, re.M)
    assert re.search(r"^\| patch-FID \(4 crops of 12 per image\) \| \d+\.\d{4} \| 64 \| 64 \|$", text, re.M)


def test_too_few_images_for_fid_are_refused_unless_allowed(fmboost, extractor, sets):
    for path in sorted(sets[1].iterdir())[:4]:
        path.unlink()
    arguments = ("eval", "fid", *sets, "--inception", extractor[1])
    done = fmboost(*arguments, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "12 features needs at least 13 images per set" in done.stderr and "16 and 12" in done.stderr
    assert "--allow-few" in done.stderr
    done = fmboost(*arguments, "--allow-few")
    assert "| FID |" in done.stdout and "too few images for covariances of full rank with 12 features" in done.stderr


def test_an_image_that_cannot_be_read_is_left_out_of_fid(fmboost, extractor, sets):
    (sets[0] / "real_3.png").write_bytes(b"not an image")
    done = fmboost("eval", "fid", *sets, "--inception", extractor[1], "--json", check=False)
    images, summary = lines(done)
    assert done.returncode == 3 and "real_3.png" in done.stderr and summary["images"] == [15, 16]
    assert [line["input"] for line in images] == [str(sets[0] / "real_3.png")] and summary["failed"] == 1


def test_a_program_that_gives_no_features_is_a_bad_model(fmboost, sets, tmp_path):
    (tmp_path / "junk.pt").write_bytes(b"junk")
    done = fmboost("eval", "fid", *sets, "--inception", tmp_path / "junk.pt", check=False)
    assert done.returncode == 4 and "junk.pt" in done.stderr and len(done.stderr.splitlines()) == 1
    torch.jit.trace(lambda x: x / 2, torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "half.pt"))
    done = fmboost("eval", "fid", *sets, "--inception", tmp_path / "half.pt", check=False)
    assert done.returncode == 4 and "must return (images, features)" in done.stderr
