"""Prompts to start from, each also an example that was recorded: the paper's grounded question, and one that loses."""

from __future__ import annotations

from dataclasses import dataclass

_FERRY = """\
The Harlow ferry crosses the Tamsin estuary between Port Harlow and the village of Quill. The crossing takes twelve \
minutes. The first ferry was built in 1911 by the shipwright Edda Marsh, who also ran it for nineteen years. It was \
driven by steam until 1954, when the owners put in a diesel engine. Today the ferry carries forty cars and two hundred \
passengers. It does not sail when the wind is stronger than forty knots."""

_CODE = """\
def mean(values):
    total = 0
    for value in values:
        total = total + value
    return total / len(values)

def spread(values):
    low = min(values)
    high = max(values)
    return high - low"""

_TABLE = """\
city, country, people
Lisbon, Portugal, 545000
Porto, Portugal, 232000
Braga, Portugal, 193000"""


@dataclass(frozen=True, slots=True)
class Preset:
    """A prompt with a name; ``document`` is the text that a grounded question is about."""

    name: str
    prompt: str
    document: str = ""

    @property
    def grounded(self) -> bool:
        """Whether it has a document."""
        return bool(self.document)

    @property
    def slug(self) -> str:
        """The name in links and file names: ``edit-code``."""
        return self.name.lower().replace(" ", "-")


PRESETS = (
    Preset(
        "Edit code",
        f"Rewrite this code and rename the argument `values` to `numbers`. Answer with the code only.\n\n{_CODE}",
    ),
    Preset(
        "Question",
        "How long does the crossing take, and who built the first ferry? Answer with sentences from the text.",
        _FERRY,
    ),
    Preset(
        "JSON",
        f"{_TABLE}\n\nWrite every row of this table as a JSON object, like this: "
        '{"city": "Lisbon", "country": "Portugal", "people": 545000}',
    ),
    Preset(
        "Word problem",
        "A baker makes 12 trays with 8 rolls each and sells 70 rolls. How many rolls are left? Explain step by step.",
    ),
    Preset("Story", "Tell a story that begins: In a little house on a high mountain lived a girl named Alice."),
    Preset("Free text", "Describe in one paragraph what it feels like to walk through a city at night in the rain."),
)


def names() -> list[str]:
    """Names of all presets, in order."""
    return [preset.name for preset in PRESETS]


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
