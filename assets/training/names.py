"""Names, dates, numbers and things, drawn so that no value can be learned by heart."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from zlib import crc32

from .paths import TEXTS


@cache
def word_list(kind: str) -> list[str]:
    """One list of texts/words.txt, by the name before its colon."""
    for line in (TEXTS / "words.txt").read_text(encoding="utf-8").splitlines():
        name, _, words = line.partition(": ")
        if name == kind:
            return words.split(" | ")
    raise ValueError(f"no list of words named {kind!r} in texts/words.txt")


def held_out(name: str) -> bool:
    """True for one made-up name in ten; such names occur in no training document."""
    return crc32(name.lower().encode()) % 10 == 0


class Names:
    """Draws values by kind; ``evaluation`` uses only made-up names that the training never sees."""

    def __init__(self, rng: random.Random, evaluation: bool = False) -> None:
        self.rng = rng
        self.evaluation = evaluation

    def invented(self, ends: list[str]) -> str:
        """One made-up capitalised name."""
        rng = self.rng
        while True:
            middle = "".join(
                rng.choice(word_list("onsets")) + rng.choice(word_list("vowels")) for _ in range(rng.choice((1, 1, 2)))
            )
            name = (middle + rng.choice(ends)).capitalize()
            if held_out(name) == self.evaluation:
                return name

    def pick(self, kind: str) -> str:
        """One of several phrases, its places filled in."""
        rng = self.rng
        phrase = rng.choice(word_list(kind))
        fill = {"t": self.town, "r": self.river}
        for key in ("a", "b", "c"):
            fill[key] = lambda key=key: rng.choice(word_list("moods") if key == "a" else word_list("things"))
        for key, make in fill.items():
            if "{" + key + "}" in phrase:
                phrase = phrase.replace("{" + key + "}", make())
        return phrase

    def town(self) -> str:
        return self.invented(word_list("town_ends"))

    def river(self) -> str:
        return self.invented(["a", "e", "er", "en", "is", "al"])

    def person(self) -> str:
        first = (
            self.rng.choice(word_list("first"))
            if self.rng.random() < 0.7
            else self.invented(["a", "o", "i", "e", "an", "in"])
        )
        return f"{first} {self.invented(word_list('ends'))}"

    def number(self) -> str:
        value = round(10 ** self.rng.uniform(1, 6))
        return f"{value:,}" if self.rng.random() < 0.7 else str(value)

    def value(self, kind: str) -> str:
        """A value of any kind that a fact can have."""
        rng = self.rng
        n = rng.randint
        simple: dict[str, Callable[[], str]] = {
            "person": self.person,
            "town": self.town,
            "river": self.river,
            "number": self.number,
            "year": lambda: str(n(1400, 2024)),
            "date": lambda: rng.choice(
                (
                    f"{n(1, 28)} {rng.choice(word_list('months'))} {n(1700, 2030)}",
                    f"{rng.choice(word_list('months'))} {n(1, 28)}, {n(1700, 2030)}",
                )
            ),
            "place": lambda: self.pick("places"),
            "product": lambda: self.pick("products"),
            "food": lambda: self.pick("foods"),
            "animal": lambda: rng.choice(word_list("animals")),
            "profession": lambda: rng.choice(word_list("jobs")),
            "colour": lambda: rng.choice(word_list("colours")),
            "month": lambda: rng.choice(word_list("months")),
            "day": lambda: rng.choice(word_list("days")),
            "small": lambda: str(n(2, 60)),
            "money": lambda: rng.choice((f"${self.number()}", f"{self.number()} euros", f"{n(2, 900)} million crowns")),
            "length": lambda: f"{n(3, 900)} {rng.choice(('metres', 'kilometres', 'miles', 'feet'))}",
            "distance": lambda: f"{n(20, 900)} million kilometres",
            "volts": lambda: rng.choice((f"{n(3, 48)} volts", f"{n(2, 6)} AA batteries", f"{n(100, 240)} V")),
            "weight": lambda: f"{n(2, 950)} {rng.choice(('grams', 'kg', 'kilograms', 'pounds'))}",
            "months": lambda: rng.choice((f"{n(6, 48)} months", f"{n(2, 9)} years")),
            "months_seconds": lambda: f"{n(3, 60)} seconds",
            "minutes": lambda: f"{n(5, 240)} minutes",
            "hours": lambda: f"{n(5, 90)} hours",
            "years": lambda: f"{n(2, 99)} years",
            "phone": lambda: f"0{n(100, 999)} {n(1000, 99999)}",
            "clock": lambda: f"{n(1, 12)}:{n(0, 59):02d} {rng.choice(('am', 'pm'))}",
            "room": lambda: rng.choice((f"room {n(1, 420)}", f"the {self.town()} hall", f"office {n(10, 99)}")),
            "company": lambda: f"{self.invented(word_list('ends'))} {rng.choice(word_list('firm_ends'))}",
            "team": lambda: (
                f"{self.town()} {rng.choice(('United', 'Rovers', 'City', 'Wanderers', 'Athletic', 'Hawks', 'Bears'))}"
            ),
            "book": lambda: self.pick("titles"),
            "ship": lambda: f"the {rng.choice(('SS', 'MS', 'HMS'))} {self.invented(word_list('ends'))}",
            "device": lambda: f"{self.invented(['o', 'ex', 'ix', 'on', 'ar'])} {rng.choice('ABCDKMSTXZ')}{n(10, 990)}",
            "festival": lambda: (
                f"the {self.town()} {rng.choice(('Festival', 'Fair', 'Days', 'Music Week', 'Carnival'))}"
            ),
            "recipe": lambda: f"{self.invented(['a', 'o', 'i', 'ka', 'ese'])} {rng.choice(word_list('dishes'))}",
            "treaty": lambda: f"Treaty of {self.town()}",
            "meeting": lambda: self.pick("topics"),
            "building": lambda: f"the {self.town()} {rng.choice(('Tower', 'lighthouse', 'House', 'Castle', 'Mill'))}",
            "school": lambda: f"{self.town()} {rng.choice(('School', 'College', 'Academy'))}",
            "invention": lambda: (
                f"{self.invented(word_list('ends'))} {rng.choice(('engine', 'lamp', 'pump', 'press'))}"
            ),
            "song": lambda: self.pick("titles"),
            "topic": lambda: rng.choice(word_list("parts")),
            "topic_speed": lambda: f"{n(2, 400)} {rng.choice(('km/h', 'miles an hour', 'metres a second'))}",
            "planet": lambda: self.invented(["is", "us", "a", "on", "ia", "ar"]),
        }
        return simple[kind]()

    def subject(self, domain: str) -> str:
        """The name of what a passage of this domain is about."""
        if domain == "animal":
            return f"{self.rng.choice(word_list('colours'))} {self.invented(['o', 'a', 'u', 'er', 'ik'])}"
        return self.value(domain)
