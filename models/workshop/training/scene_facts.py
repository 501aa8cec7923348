"""The properties of a landscape of fmboost-draw, and the facts that its caption names.

A scene is a JSON object written by `fmboost-draw --captions` (models/workshop/drawing/landscape/scene.cpp). Every image has a
value for each property; a fact is a caption's statement about one property.
"""

from dataclasses import dataclass

# All values of the properties in JSON; the first is one that captions do not name, if there is such a value.
PROPERTIES = {
    "time": ("day", "morning", "sunset", "evening", "night"),
    "sky": ("blue", "grey", "pink", "golden", "orange", "red", "purple", "black"),
    "weather": ("clear", "cloudy", "rain", "snow", "fog"),
    "orb": (None, "sun", "full moon", "crescent moon"),
    "stars": (False, True),
    "birds": (False, True),
    "mountains": (None, "grey", "blue", "purple", "brown", "red"),
    "snow_caps": (False, True),
    "skyline": (False, True),
    "ground": ("green", "golden", "brown", "white"),
    "hills": (False, True),
    "lake": (None, "blue", "turquoise", "grey"),
    "bridge": (False, True),
    "boat": (None, "white", "red", "yellow"),
    "trees": (None, "pine", "green", "autumn", "bare", "blossom"),
    "tree_count": (0, 1, 3, 12),
    "building": (None, "house", "windmill", "lighthouse"),
    "wall": (None, "red", "white", "yellow", "blue", "brown"),
    "roof": (None, "red", "brown", "grey", "black"),
    "flowers": (None, "red", "yellow", "white", "pink", "purple"),
    "animals": (None, "sheep", "horse", "cow"),
    "animal_count": (0, 1, 3),
    "coat": (None, "white", "black", "brown"),
}


@dataclass(frozen=True)
class Fact:
    """A caption's statement about a property. An image shows it if the property has the same value (`presence`: any value but
    "absent") and, for a fact about an object (`of`), if the object is right too: a house's wall is not a lighthouse's."""

    name: str
    kind: str
    property: str
    presence: bool = False
    of: str | None = None


# Seasons are not counted: they only repeat the caption's statements about ground and trees.
FACTS = (
    Fact("time of day", "time of day", "time"),
    Fact("weather", "weather", "weather"),
    Fact("sky, color", "colors", "sky"),
    Fact("ground, color", "colors", "ground"),
    Fact("mountains, color", "colors", "mountains"),
    Fact("lake, color", "colors", "lake"),
    Fact("boat, color of the sails", "colors", "boat"),
    Fact("building, color of the walls", "colors", "wall", of="building"),
    Fact("house, color of the roof", "colors", "roof", of="building"),
    Fact("flowers, color", "colors", "flowers"),
    Fact("animals, color", "colors", "coat", of="animals"),
    Fact("sun or moon", "objects", "orb"),
    Fact("stars", "objects", "stars"),
    Fact("birds", "objects", "birds"),
    Fact("mountains", "objects", "mountains", presence=True),
    Fact("snow on mountains", "objects", "snow_caps"),
    Fact("skyline", "objects", "skyline"),
    Fact("hills", "objects", "hills"),
    Fact("lake", "objects", "lake", presence=True),
    Fact("bridge", "objects", "bridge"),
    Fact("boat", "objects", "boat", presence=True),
    Fact("trees, kind", "objects", "trees"),
    Fact("building, kind", "objects", "building"),
    Fact("flowers", "objects", "flowers", presence=True),
    Fact("animals, kind", "objects", "animals"),
    Fact("trees, number", "numbers", "tree_count", of="trees"),
    Fact("animals, number", "numbers", "animal_count", of="animals"),
)
KINDS = tuple(dict.fromkeys(fact.kind for fact in FACTS))


def is_named(value):
    """Whether captions mention this value: they do not mention absent objects or clear weather."""
    return value not in (None, False, 0, "clear")


def named_facts(scene):
    return [fact for fact in FACTS if is_named(scene[fact.property])]


def is_found(fact, scene, shown):
    """Whether an image with the properties `shown` shows this fact of the scene's caption."""
    if fact.of and shown[fact.of] != scene[fact.of]:
        return False
    if fact.presence:
        return is_named(shown[fact.property])
    return shown[fact.property] == scene[fact.property]


def things_not_named(scene, shown):
    """The objects that the image shows and the caption does not name."""
    objects = [fact.property for fact in FACTS if fact.kind == "objects"]
    return [name for name in objects if is_named(shown[name]) and not is_named(scene[name])]


def class_of(name, scene):
    return PROPERTIES[name].index(scene[name])
