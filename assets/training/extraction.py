"""The extraction task: the fields asked for, out of a passage, as JSON."""

from __future__ import annotations

import json
import random

from .facts import Story

REQUESTS = (
    "Extract as JSON: {f}",
    "Extract {f} as JSON.",
    "Return JSON with the fields {f}.",
    "JSON with {f}",
    "Give me {f} as a JSON object.",
)


def extraction_request(rng: random.Random, story: Story) -> tuple[str, str]:
    """A request and the JSON answer; the field ``name`` is the subject itself."""
    fields = {fact.field: fact.value for fact in story.facts}
    wanted = rng.sample(sorted(fields), rng.randint(1, min(6, len(fields))))
    if story.subject in story.passage and not story.subject.startswith("the ") and rng.random() < 0.6:
        wanted.insert(0, "name")
        fields["name"] = story.subject
    request = rng.choice(REQUESTS).format(f=", ".join(wanted))
    return request, json.dumps({name: fields[name] for name in wanted}, ensure_ascii=False)
