"""Prompts to begin with: one for each task of the embedded model, and the paper's grounded question."""

from __future__ import annotations

from dataclasses import dataclass

_ARBOUR = """\
The Greyhook lighthouse stands on the northern cape of the island of Velmar. It was built in 1874 by the engineer \
Ada Thornfield, who had already planned two bridges in the capital. The tower is 48 metres tall and has 213 steps. \
Its first keeper was Tomas Breck, who lived there with his family for 31 years. In 1962 the light was made electric. \
Today the house of the keeper is a museum, which is open from April to October."""

_CODE = """\
def total_price(items, tax):
    total = 0
    for item in items:
        total = total + item.price * item.count
    return total * (1 + tax)"""


@dataclass(frozen=True, slots=True)
class Preset:
    """A prompt under a name; ``document`` is the text that a grounded question is about."""

    name: str
    prompt: str
    document: str = ""

    @property
    def grounded(self) -> bool:
        """Whether it has a document field of its own."""
        return bool(self.document)


PRESETS = (
    Preset("Grounded question (RAG)", "Who was the first keeper of the lighthouse?", _ARBOUR),
    Preset("Extract as JSON", f"{_ARBOUR}\n\nExtract name, built, height, steps, keeper as JSON."),
    Preset("Edit code", f"{_CODE}\n\nRename total to amount."),
    Preset("Steps of a sum", "A box holds 12 pens. Mia buys 5 boxes and gives away 8 pens. How many pens are left?"),
    Preset("Story", "Once upon a time"),
)


def names() -> list[str]:
    """Names of all presets, in order."""
    return [preset.name for preset in PRESETS]


def by_name(name: str) -> Preset:
    """The preset of that name, the first one where there is none."""
    return next((preset for preset in PRESETS if preset.name == name), PRESETS[0])


def compose(document: str | None, prompt: str | None) -> str:
    """What the model reads: the document, an empty line, the question; or the prompt alone.

    >>> compose("A text.", "A question?")
    'A text.\\n\\nA question?'
    """
    before = (document or "").strip()
    return f"{before}\n\n{prompt or ''}" if before else prompt or ""
