"""measure_captions.py: the facts match the captions, and the classifier recognizes them."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import fact_classifier
import measure_captions
import scene_facts
import train_classifier
from draw_latents import CaptionedImages
from drawn_images import DRAW

from binary_fixtures import ROOT

FACTS = {fact.name: fact for fact in scene_facts.FACTS}


@pytest.fixture(scope="module")
def lines():
    return [line for _, line in CaptionedImages(0, 400, side=16)]


@pytest.fixture(scope="module")
@torch.enable_grad()
def classifier(tmp_path_factory):
    """The folder of a short training of a network with few channels."""
    folder = tmp_path_factory.mktemp("classifier")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fact_classifier, "CHANNELS", (8, 8, 16, 16))
        train_classifier.train(folder, steps=150, scenes=300, batch_size=16, learning_rate=3e-2)
        yield folder


@pytest.fixture
def measure(classifier, monkeypatch, capsys):
    """Runs measure_captions.py in this process; returns its output."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["measure_captions.py", str(classifier), *map(str, arguments)])
        measure_captions.main()
        return capsys.readouterr().out

    return run


def phrase(name, s):
    """A regular expression for the words by which a caption names a fact."""
    ground = {"white": "snowy field", "brown": "brown desert", "golden": "golden field", "green": "green meadow"}
    number = {1: "(a|an|one)", 3: "three", 12: "a forest of"}
    return {
        "time of day": rf"(by|in the|at) {s['time']}",
        "weather": {"cloudy": "clouds", "rain": "rain", "snow": "falling snow", "fog": "fog"}.get(s["weather"]),
        "sky, color": f"{s['sky']} sky",
        "ground, color": f"{s['ground']} hills" if s["hills"] else ground[s["ground"]],
        "mountains, color": f"{s['mountains']} mountains",
        "lake, color": f"{s['lake']} lake",
        "boat, color of the sails": f"{s['boat']} sailing boat",
        "building, color of the walls": f"{s['wall']} {s['building']}",
        "house, color of the roof": f"with a {s['roof']} roof",
        "flowers, color": f"{s['flowers']} flowers",
        "animals, color": f"{s['coat']} {s['animals']}s?",
        "sun or moon": f"(the|a) {s['orb']}",
        "snow on mountains": f"snowy {s['mountains']} mountains",
        "skyline": "city skyline",
        "bridge": "stone bridge",
        "boat": "sailing boat",
        "trees, kind": f"{s['trees']} trees?",
        "building, kind": s["building"],
        "animals, kind": f"{s['animals']}s?",
        "trees, number": f"{number.get(s['tree_count'])} {s['trees']} trees?",
        "animals, number": f"{number.get(s['animal_count'])} {s['coat']} {s['animals']}s?",
    }.get(name, name)


def test_captions_name_exactly_the_counted_facts(lines):
    seen = set()
    for line in lines:
        rest = line["caption"]
        for fact in scene_facts.named_facts(line["scene"]):
            words = rf"\b{phrase(fact.name, line['scene'])}\b"
            assert re.search(words, line["caption"]), (fact.name, line["caption"])
            seen.add(fact.name)
        for name in sorted(FACTS, key=lambda name: -len(phrase(name, line["scene"]) or "")):
            if FACTS[name] in scene_facts.named_facts(line["scene"]):
                rest = re.sub(rf"\b{phrase(name, line['scene'])}\b", "", rest)
        assert set(re.findall(r"\w+", rest)) <= {"a", "an", "landscape", "winter", "spring", "autumn"}, line["caption"]
    assert seen == set(FACTS)


def test_properties_list_exactly_the_values_in_scenes(lines):
    for name, values in scene_facts.PROPERTIES.items():
        assert {line["scene"][name] for line in lines} == set(values), name
    assert set(lines[0]["scene"]) == {"seed", *scene_facts.PROPERTIES}


def test_a_fact_about_an_object_needs_the_object(lines):
    scene = next(line["scene"] for line in lines if line["scene"]["building"] == "house")
    wall, kind = FACTS["building, color of the walls"], FACTS["building, kind"]
    assert scene_facts.is_found(wall, scene, scene) and scene_facts.is_found(kind, scene, scene)
    assert not scene_facts.is_found(wall, scene, scene | {"building": "windmill"})
    mountains = next(line["scene"] for line in lines if line["scene"]["mountains"] == "grey")
    red = mountains | {"mountains": "red"}
    assert scene_facts.is_found(FACTS["mountains"], mountains, red)
    assert not scene_facts.is_found(FACTS["mountains, color"], mountains, red)


def test_measured_counts_the_named_facts(lines):
    scenes = [line["scene"] for line in lines]
    right = measure_captions.measured(scenes, scenes)
    assert right["all"]["found"] == right["mean of a caption"] == 1 and right["things not named"] == 0
    assert right["facts"]["time of day"]["named"] == len(lines)
    assert right["facts"]["stars"]["named"] == sum(scene["stars"] for scene in scenes)
    assert right["all"]["named"] == sum(kind["named"] for kind in right["kinds"].values())
    bare = [scene | {"stars": False, "birds": True} for scene in scenes]
    wrong = measure_captions.measured(scenes, bare)
    assert (wrong["facts"]["stars"]["found"], wrong["facts"]["birds"]["found"]) == (0, 1)
    assert wrong["things not named"] == sum(not scene["birds"] for scene in scenes) / len(scenes)


def test_the_classifier_learns_in_seconds(classifier):
    model = measure_captions.load_classifier(classifier / "classifier.safetensors")
    accuracy = train_classifier.accuracy(model, *train_classifier.drawn(0, 60))
    for name in ("time", "ground"):
        assert accuracy[name][0] > accuracy[name][1] + 0.15, (name, accuracy[name])


def test_right_captions_score_higher_than_wrong_ones(measure, tmp_path):
    """For existing images; those of fmboost-draw score the same as the drawn ones of their seeds."""
    subprocess.run([DRAW, "landscapes", "--size", "256", "--count", "60", "--seed", "500", "-o", tmp_path], check=True)
    (tmp_path / "landscapes_507.png").unlink()
    report = [json.loads(line) for line in measure(tmp_path, "--json").splitlines()]
    columns = report[-1]["summary"]
    assert len(report) == 60 and columns["generated"] == columns["drawn"]
    assert columns["drawn"]["all"]["found"] > columns["another drawn"]["all"]["found"] + 0.05
    assert report[7]["image"].endswith("landscapes_508.png") and "time of day" in report[7]["found"]


def test_images_are_generated_from_the_captions(measure, tmp_path, binary):
    text = measure(tmp_path, "-m", ROOT / "models" / "default", "--count", 2, "--seed-from", 7, "--steps", 1, "--device",
                   "cpu", "--threads", 1)  # fmt: skip
    assert text.startswith("2 captions") and "| **all** |" in text
    assert Image.open(tmp_path / "7.png").size == Image.open(tmp_path / "8.png").size == (256, 256)
    with pytest.raises(SystemExit, match="already contains images"):
        measure(tmp_path, "-m", ROOT / "models" / "default")


def test_unusable_inputs_are_reported(measure, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"contains no \.png"):
        measure(tmp_path)
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(tmp_path / "100000.png")
    with pytest.raises(SystemExit, match="held out"):
        measure(tmp_path)
    (tmp_path / "100000.png").rename(tmp_path / "lake.png")
    with pytest.raises(SystemExit, match="must end in the seed"):
        measure(tmp_path)
    with pytest.raises(SystemExit):
        measure("--seed-from", 99990)
    assert "held-out seeds" in capsys.readouterr().err
