"""export_inception.py: the Inception network for FID from its published weights, as a TorchScript module."""

import hashlib

import export_inception
import pytest
import torch
from fmboost_export.errors import run_main
from fmboost_export.inception import FEATURES, Inception, ImageFeatures
from safetensors.torch import save_file
from torch.nn import functional as F

# Of "name [shape]" lines, sorted, of torchvision's Inception v3 with 1008 classes and without its auxiliary classifier,
# which is what the published weights are loaded into.
LAYOUT = "8cdd2faeb41211e17f0fb47e66168d0cb1f981aa773b5f44e5b9cc93857fe492"


@pytest.fixture
def export(capsys):
    def run(*arguments):
        code = run_main(export_inception.main, "export_inception.py", [str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return run


def random_weights(seed):
    """Random weights that keep the features nonzero through all layers."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in Inception().state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        if name.endswith("running_var") or name.endswith("bn.weight"):
            state[name] = 1 + 0.2 * noise.clamp(-2, 2)
        elif tensor.dim() == 4:
            state[name] = noise * (2 / tensor[0].numel()) ** 0.5
        else:
            state[name] = 0.1 * noise if tensor.is_floating_point() else tensor
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(random_weights(0), path)
    return path


@pytest.fixture(scope="module")
def exported(weights):
    path = weights.with_name("inception.pt")
    assert run_main(export_inception.main, "export_inception.py", [str(weights), "-o", str(path)]) == 0
    return path


def test_names_and_shapes_are_the_published_ones():
    state = Inception().state_dict()
    text = "\n".join(f"{name} {list(tensor.shape)}" for name, tensor in sorted(state.items()))
    assert hashlib.sha256(text.encode()).hexdigest() == LAYOUT


def test_averages_exclude_padding_and_the_last_block_uses_max_pooling():
    network = Inception().eval()
    even = torch.ones(1, 2048, 8, 8)
    pool = network.Mixed_7c.branch_pool
    assert torch.allclose(network.Mixed_7c(even)[:, -192:], pool(even), atol=1e-5)
    spike = torch.zeros(1, 2048, 8, 8)
    spike[:, :, 4, 4] = 1
    assert torch.allclose(network.Mixed_7c(spike)[:, -192:, 3:6, 3:6], pool(even[:, :, :3, :3]), atol=1e-5)
    even, pool = torch.ones(1, 1280, 8, 8), network.Mixed_7b.branch_pool
    assert torch.allclose(network.Mixed_7b(even)[:, -192:], pool(even), atol=1e-5)  # corners too


def test_the_module_resizes_scales_and_extracts(weights, exported):
    network = Inception().eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    images = torch.randint(0, 256, (2, 3, 61, 90), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    resized = F.interpolate(images / 255, size=(299, 299), mode="bilinear", align_corners=False)
    expected = network(2 * resized - 1)
    assert expected.shape == (2, FEATURES) and expected.std() > 1e-3
    module = torch.jit.load(exported)
    scale = expected.abs().max()
    for given in (images, images / 255):
        assert (module(given) - expected).abs().max() / scale < 1e-5


def test_safetensors_and_files_without_counters_give_the_same_network(weights, export, tmp_path):
    state = torch.load(weights, weights_only=True)
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    network = export_inception.load_network(tmp_path / "old.safetensors")
    assert all(torch.equal(found, state[name]) for name, found in network.state_dict().items() if name in old and "fc." not in name)


def test_the_binary_uses_its_features(fmboost, exported, weights, tmp_path):
    import json

    import numpy as np
    from PIL import Image

    network = ImageFeatures(Inception()).eval()
    network.network.load_state_dict(torch.load(weights, weights_only=True))
    features = []
    for folder, low in (("a", 0), ("b", 90)):
        (tmp_path / folder).mkdir()
        random = np.random.default_rng(low)
        images = random.integers(low, 256, (3, 40, 50, 3), dtype=np.uint8)
        for index, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / folder / f"{index}.png")
        features.append(network(torch.from_numpy(images).permute(0, 3, 1, 2)).double())
    done = fmboost("eval", "fid", tmp_path / "a", tmp_path / "b", "--inception", exported, "--allow-few", "--json")
    found = json.loads(done.stdout)["summary"]
    # The trace of the matrix square root from singular values: tr (A B)^(1/2) = |X Y^T|_* for A = X^T X, B = Y^T Y.
    x, y = ((f - f.mean(0)) / 2**0.5 for f in features)
    shift = (features[0].mean(0) - features[1].mean(0)).square().sum()
    expected = shift + x.square().sum() + y.square().sum() - 2 * torch.linalg.svdvals(x @ y.T).sum()
    assert found["features"] == FEATURES and found["images"] == [3, 3]
    assert found["fid"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("damage", ["missing", "shape", "extra"])
def test_weights_of_other_networks_are_rejected_by_name(export, tmp_path, weights, damage):
    state = torch.load(weights, weights_only=True)
    if damage == "missing":
        del state["Mixed_6a.branch3x3.conv.weight"]
    elif damage == "shape":
        state["Mixed_5b.branch_pool.conv.weight"] = torch.zeros(64, 192, 1, 1)
    else:
        state["AuxLogits.conv0.conv.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    code, text = export(tmp_path / "w.pth", "-o", tmp_path / "out.pt")
    named = {"missing": "Mixed_6a.branch3x3", "shape": "Mixed_5b.branch_pool", "extra": "AuxLogits"}[damage]
    assert code == 4 and named in text and "Inception v3" in text and len(text.splitlines()) == 1
    assert not (tmp_path / "out.pt").exists()


def test_invalid_arguments_are_reported(export, tmp_path, weights):
    assert export(tmp_path / "no.pth", "-o", tmp_path / "out.pt")[0] == 2
    assert export(weights, "-o", tmp_path / "out.bin")[0] == 2
    (tmp_path / "out.pt").write_text("mine")
    assert export(weights, "-o", tmp_path / "out.pt")[0] == 1
    assert (tmp_path / "out.pt").read_text() == "mine"
