"""A megabyte of small tales for experiments: written by a grammar of ours, the same text for ever.

Each tale keeps a few things in mind (who, with whom, where, what was lost, whose advice helped) and comes back to
them later, so a model that looks far back has something to find. Knows no file and no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

N_CHARACTERS = 1_100_000
"""About the size of tinyshakespeare, so that figures can be laid beside those of others."""


def _listed(text: str) -> list[str]:
    """The choices: one a line, or several with a bar between them."""
    return text.replace("\n", "|").split("|")


_HEROES = _listed(
    """a miller's daughter|an old ferryman|a young baker|a quiet weaver|the clockmaker's son|a lame soldier
a shepherd girl|a travelling cook|the youngest of three sisters|a lighthouse keeper|a glazier|a charcoal burner"""
)
_NAMES = """
Ada Bruno Clara Dorin Elsa Ferin Greta Hanno Ilse Jorin Kaja Lenz Mira Nils Orla Pim Runa Silvan Tilda Ulf
Vera Wim Yara Zeno Anselm Birte Corvin Dagny Emrik Fenja Gisla Hedda Isak Jule Kilian Liv Marek Nora Oskar Petra
""".split()
_BEASTS = _listed(
    "a fox|a heron|a tame crow|an old goat|a hedgehog|a grey cat|a one-eyed owl|a badger|a snow hare|a brown bear"
)
_PLACES = _listed(
    """the mill below the weir|the harbour at Sand Point|the market of Overhill|the birch wood|the salt road
the bridge of nine arches|the empty monastery|the orchard behind the church|the quarry|the island in the lake"""
)
_THINGS = _listed(
    """a silver thimble|the brass key|a letter with a red seal|a blue lantern|a grandmother's ring|a wooden whistle
the bell rope|a sack of seed corn|a map drawn on birch bark|the last candle|a pair of winter boots|a cracked compass"""
)
_WEATHER = _listed(
    """It had rained for three days|Snow lay on the roofs|The wind came from the sea|It was the hottest week of the year
Fog stood in the valley|The first frost had come|The river was high|Nobody could remember a brighter autumn"""
)
_FEELINGS = _listed("glad|tired|afraid|proud|ashamed|curious|hungry|patient|angry|hopeful")
_NUMBERS = _listed("two|three|four|five|six|seven|nine|eleven|twelve")
_ADVICE = _listed(
    """look under what is heavy|ask the one who never speaks|walk where the water walks|wait until the third bell
count the steps twice|trade what you do not need|follow the smell of bread|knock where there is no door"""
)
_TURNS = _listed(
    """{name} searched {place} from end to end, but {thing} was not there.
"Have you seen {thing}?" {name} asked {beast}. "{The} sees much and says little," was the answer.
{name} sat down, {feeling} and cold, and thought of {home}.
At {place} they met a stranger who wanted to buy {beast}. {name} only laughed.
"I have {number} coins," said {name}, "and you have none. So we are both poor."
They shared what was left of the bread, {number} slices, and {Beast} took the smallest.
The road to {place} was longer than anyone had said.
{name} was {feeling}, for it was getting dark, and there were {number} miles to go.
{Beast} ran ahead, came back, and ran ahead again.
Twice {name} turned round, and twice {Beast} would not.
In the night {name} dreamed of {thing}, lying somewhere in {home}.
A carter took them as far as {place} and asked for nothing but a song.
"If it is lost, it is lost," said {name}, and did not mean it."""
)
_HELP = _listed(
    """Then {name} remembered what the old woman had said: {advice}.
"{Advice}," {Beast} said at last, as if it had been plain from the beginning.
On the wall of {place} somebody had written: {advice}."""
)
_ENDS = _listed(
    """And there, in {home}, lay {thing}. {name} went home with {beast}, {feeling} no longer.
So {thing} was found in {home}, and {name} never told anyone how.
They found {thing} that same evening. If {name} and {Beast} have not moved away, they live at {home} still.
{name} kept {thing} for the rest of a long life, and {Beast} had the warmest place by the stove."""
)


def render_tales(n_characters: int = N_CHARACTERS, seed: int = 1) -> str:
    """Tales with an empty line between them, until there are that many characters; the last one is whole."""
    rng, tales, length = Random(seed), list[str](), 0
    while length < n_characters:
        tales.append(_tale(rng))
        length += len(tales[-1]) + 1
    return "\n".join(tales)


def _tale(rng: Random) -> str:
    """A beginning, three to seven turns, help, and an end, all about the same few things."""
    beast, thing = _pick(rng, _BEASTS), _pick(rng, _THINGS)
    known = {
        "hero": _pick(rng, _HEROES),
        "name": _pick(rng, _NAMES),
        "beast": beast,
        "Beast": f"the {beast.split(' ', 1)[1]}",
        "The": f"The {beast.split(' ', 1)[1]}",
        "home": _pick(rng, _PLACES),
        "thing": thing,
    }
    place = known["home"].removeprefix("the ")
    lines = [
        f"{_pick(rng, _WEATHER)} when {known['hero']} by the name of {known['name']} lost {thing} near the {place}.",
        f"{known['name']} had no one to ask but {beast}, and so the two of them went.",
    ]
    turns = [_pick(rng, _TURNS) for _ in range(3 + int(5 * rng.random()))]
    for line in [*dict.fromkeys(turns), _pick(rng, _HELP), _pick(rng, _ENDS)]:
        advice = _pick(rng, _ADVICE)
        passing = {"place": _pick(rng, _PLACES), "feeling": _pick(rng, _FEELINGS), "number": _pick(rng, _NUMBERS)}
        lines.append(_sentence(line.format(**known, **passing, advice=advice, Advice=advice.capitalize())))
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    """With a capital where a sentence or a speech begins."""
    first = 1 if text.startswith('"') else 0
    return text[:first] + text[first].upper() + text[first + 1 :]


def _pick(rng: Random, choices: Sequence[str]) -> str:
    """One of the choices; from random() alone, whose numbers Python promises not to change."""
    return choices[int(rng.random() * len(choices))]
