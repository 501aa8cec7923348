"""The layers of the source tree: which may include which, and what public headers may include."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Every layer with the layers that it may use directly. A layer may always include itself.
LAYERS = {
    "core": set(),
    "io": {"core"},
    "image": {"core", "io"},
    "text": {"core", "io"},
    "diffusion": {"core", "io"},
    "flow": {"core", "io"},
    "nn": {"core", "io"},
    "model": {"core", "io", "text", "diffusion", "flow", "nn"},
}
LOWER = {*LAYERS}
LAYERS.update(dict.fromkeys(("pipeline", "import", "eval", "data"), LOWER))
LAYERS["train"] = {*LOWER, "data"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cpp"))


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def layer_of(include):
    """The layer of an include such as "fmboost/nn/strips.h" or "nn/layers/layers.h"."""
    parts = include.split("/")
    return parts[1] if parts[0] == "fmboost" else parts[0]


PUBLIC = sources("include/fmboost")
PRIVATE = sources("src")


def test_every_folder_is_a_known_layer():
    folders = {path.relative_to(ROOT / "src").parts[0] for path in PRIVATE}
    folders |= {path.relative_to(ROOT / "include/fmboost").parts[0] for path in PUBLIC}
    assert folders == {*LAYERS}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_includes_a_higher_one(layer):
    allowed = LAYERS[layer] | {layer}
    files = sources(f"include/fmboost/{layer}") + sources(f"src/{layer}")
    assert files
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path in files for name in includes(path) if layer_of(name) not in allowed]
    assert not wrong


def test_public_headers_include_only_public_ones():
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path in PUBLIC for name in includes(path) if not name.startswith("fmboost/")]
    assert not wrong


def test_public_headers_of_the_networks_do_not_need_json():
    text = "".join(path.read_text(encoding="utf-8") for path in sources("include/fmboost/nn"))
    assert "nlohmann" not in text


def test_includes_exist_and_have_no_cycles():
    headers = {str(path.relative_to(ROOT / "include")): path for path in PUBLIC}
    headers |= {str(path.relative_to(ROOT / "src")): path for path in PRIVATE if path.suffix == ".h"}
    headers |= {str(path.relative_to(ROOT / "src")): path for path in (ROOT / "src").rglob("*.inc")}
    missing = [f"{path.relative_to(ROOT)}: {name}" for path in [*PUBLIC, *PRIVATE] for name in includes(path) if name not in headers]
    assert not missing
    done, active = set(), []

    def visit(name):
        if name in done:
            return
        assert name not in active, " -> ".join([*active[active.index(name):], name])
        active.append(name)
        for included in includes(headers[name]):
            visit(included)
        done.add(active.pop())

    for name in headers:
        visit(name)
