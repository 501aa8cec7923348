"""What there is to see in a landscape of fmboost-draw, and which of it the captions name.

A scene is the JSON object that `fmboost-draw --captions` writes (models/workshop/drawing/landscape/scene.cpp). Its properties are
questions that every image answers; a fact is what a caption says of one property.
"""

from dataclasses import dataclass

# Every value that a property takes in JSON; what captions do not name stands first.
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
    """What a caption says of a property. It is found in an image that shows the same value (`presence`: any value but
    "absent"), and the right thing where it is a fact about a thing (`of`): the wall of a house is not a lighthouse's."""

    name: str
    kind: str
    property: str
    presence: bool = False
    of: str | None = None


# Seasons are not counted: the caption repeats with them what it says of ground and trees.
FACTS = (
    Fact("time of day", "time of day", "time"),
    Fact("weather", "weather", "weather"),
    Fact("sky, colour", "colours", "sky"),
    Fact("ground, colour", "colours", "ground"),
    Fact("mountains, colour", "colours", "mountains"),
    Fact("lake, colour", "colours", "lake"),
    Fact("boat, colour of the sails", "colours", "boat"),
    Fact("building, colour of the walls", "colours", "wall", of="building"),
    Fact("house, colour of the roof", "colours", "roof", of="building"),
    Fact("flowers, colour", "colours", "flowers"),
    Fact("animals, colour", "colours", "coat", of="animals"),
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
    """Whether captions say this of a property: they are silent on what is absent, and on clear weather."""
    return value not in (None, False, 0, "clear")


def named_facts(scene):
    return [fact for fact in FACTS if is_named(scene[fact.property])]


def is_found(fact, scene, shown):
    """Whether an image, which shows the properties `shown`, keeps what the scene's caption says."""
    if fact.of and shown[fact.of] != scene[fact.of]:
        return False
    if fact.presence:
        return is_named(shown[fact.property])
    return shown[fact.property] == scene[fact.property]


def things_not_named(scene, shown):
    """The facts of objects that the image shows and the caption does not name."""
    objects = [fact.property for fact in FACTS if fact.kind == "objects"]
    return [name for name in objects if is_named(shown[name]) and not is_named(scene[name])]


def class_of(name, scene):
    return PROPERTIES[name].index(scene[name])
