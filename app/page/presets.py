"""Prompts to start from, each also an example that was recorded: first those that drafts help most, last one whose
drafts are wider than pays."""

from __future__ import annotations

from dataclasses import dataclass

_FERRY = """\
The Harlow ferry crosses the Tamsin estuary between Port Harlow and the village of Quill. The crossing takes twelve \
minutes. The first ferry was built in 1911 by the shipwright Edda Marsh, who also ran it for nineteen years. It was \
driven by steam until 1954, when the owners put in a diesel engine. Today the ferry carries forty cars and two hundred \
passengers. It does not sail when the wind is stronger than forty knots."""

_LIGHTHOUSE = """\
The Greyhook lighthouse stands on the northern cape of the island of Velmar. It was built in 1874 by the engineer \
Ada Thornfield, who had already planned two bridges in the capital. The tower is 48 metres tall and has 213 steps. \
Its first keeper was Tomas Breck, who lived there with his family for 31 years. In 1962 the light was made electric."""

_CODE = """\
def count_words(text, limit):
    counts = {}
    for word in text.split():
        word = word.lower().strip(".,;!?")
        if word:
            counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts, key=counts.get, reverse=True)
    for word in ranked[:limit]:
        print(word, counts[word])
    return ranked[:limit]"""


@dataclass(frozen=True, slots=True)
class Preset:
    """A prompt with a name, which is short on a ``chip``; ``document`` is the text that it is about."""

    name: str
    prompt: str
    document: str = ""
    chip: str = ""

    @property
    def slug(self) -> str:
        """The name in links and file names: ``edit-code``."""
        return self.name.lower().replace(" ", "-")


PRESETS = (
    Preset("Edit code", "Rename limit to most.", _CODE, "Code"),
    Preset("Question", "Who built the first ferry, and when?", _FERRY),
    Preset("JSON", "Extract as JSON: built, engineer, keeper", _LIGHTHOUSE),
    Preset(
        "Word problem",
        "Maria buys 5 boxes of candles at the market. Each box holds 12 candles. Maria gives 8 to Peter. "
        "How many are left?",
        chip="Maths",
    ),
    Preset("Story", "Tell a story that begins: In a little house on a high mountain lived a girl named Alice."),
    Preset("Free text", "Describe in one paragraph what it feels like to walk through a city at night in the rain."),
)


def titles() -> dict[str, str]:
    """Names of all presets by their slugs, in order."""
    return {preset.slug: preset.name for preset in PRESETS}


def by_name(name: str) -> Preset:
    """The preset with that name, or else the first one."""
    return next((preset for preset in PRESETS if preset.name == name), PRESETS[0])


def compose(document: str | None, prompt: str | None) -> str:
    """The whole prompt: the document, an empty line, the question; or the prompt alone.

    >>> compose("A text.", "A question?")
    'A text.\\n\\nA question?'
    """
    before = (document or "").strip()
    return f"{before}\n\n{prompt or ''}" if before else prompt or ""
