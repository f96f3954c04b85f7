"""One request and its response, as a row of a recording holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lookahead.strict_json import SchemaError, parse_json
from lookahead.study.material import category_of

Fields = Mapping[str, Any]
"""A JSON object."""
NEED_EVENT = "need one JSON object, or [DONE], after data:"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response, not checked.

    Attributes:
        request: The request's body; empty if only the response was recorded.
        chunks: The response: one object, or the chunks of a stream in their order.
        category: What kind of request it is, as the row says; empty if it does not.
        error: What the server answered instead; empty if it did its work.
    """

    request: Fields
    chunks: Sequence[Fields]
    category: str = ""
    error: str = ""


@dataclass(slots=True)
class Answer:
    """One output as a reader finds it in a response, not checked; what the response does not hold is left out.

    Attributes:
        prompt: The prompt as text, or the messages of a chat.
        text: The output as text.
        tokens, prompt_tokens: Tokens of the output and of the prompt, as the server counted them.
    """

    prompt_ids: Any = None
    output_ids: Any = None
    prompt: Any = None
    text: Any = None
    tokens: Any = None
    prompt_tokens: Any = None


@dataclass(frozen=True, slots=True)
class Reader:
    """How one engine's responses are told apart and read.

    Attributes:
        matches: Whether a chunk (or a whole response) is of this engine.
        answers: The outputs in the chunks of one response, one for each choice.
        hint: How to record with token ids, as a clause of a message.
    """

    name: str
    matches: Callable[[Fields], bool]
    answers: Callable[[Sequence[Fields]], list[Answer]]
    hint: str


@dataclass(slots=True)
class Pieces:
    """What one choice of a stream has sent so far."""

    ids: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, ids: Any, text: Any) -> None:
        """Add what a chunk holds; what is not a list, or not a text, is nothing."""
        self.ids += ids if isinstance(ids, list) else ()
        self.texts += (text,) if isinstance(text, str) else ()

    def answer(self, prompt_ids: Any = None, tokens: Any = None, prompt_tokens: Any = None) -> Answer:
        """All of it, and what else the response holds."""
        return Answer(prompt_ids, self.ids, None, "".join(self.texts), tokens, prompt_tokens)


def exchange(row: Any) -> Exchange:
    """The exchange in a row: ``{"request", "response"}``, a response alone, or messages with their answer.

    Raises:
        SchemaError: If a stream in it cannot be read.
    """
    if not isinstance(row, dict):
        return Exchange({}, _chunks(row))
    error = _error(row)
    reply = next((row[name] for name in ("response", "http_response", "answer") if row.get(name) is not None), None)
    request = row.get("request")
    request = row if request is None and reply is not None else request
    request = request.get("body", request) if isinstance(request, dict) else {}
    request = request if isinstance(request, dict) else {}
    messages = row.get("messages")
    if reply is None and isinstance(messages, list) and len(messages) > 1 and _of_assistant(messages[-1]):
        request, reply = {**row, "messages": messages[:-1]}, messages[-1].get("content")
    chunks = _chunks(row if reply is None else reply)
    replies = [reply, *chunks] if isinstance(reply, dict) else chunks  # the status is beside the body
    return Exchange(request, chunks, category_of(row), error or next(filter(None, map(_error, replies)), ""))


def object_in(fields: Fields, name: str) -> Fields:
    """The object in a field; an empty one where there is none."""
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _of_assistant(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def _chunks(reply: Any) -> list[Fields]:
    """The objects of a response: of one that was not streamed the only one."""
    if isinstance(reply, str):
        return list(events(reply)) if reply.lstrip().startswith("data:") else [{"answer": reply}]
    found: list[Fields] = []
    for chunk in reply if isinstance(reply, list) else [reply]:
        if isinstance(chunk, str):
            found += events(chunk)
        elif isinstance(chunk, dict):
            found.append(chunk["body"] if isinstance(chunk.get("body"), dict) else chunk)
    return found


def _error(fields: Fields) -> str:
    """What an object says that went wrong; empty if nothing did."""
    error = fields.get("error") or fields.get("__inference_error__")
    if not error and fields.get("object") == "error":
        error = fields
    if isinstance(error, dict):
        error = error.get("message") or "an error without a message"
    status = fields.get("status_code")
    if not error and isinstance(status, int) and status >= 400:
        error = f"status {status}"
    return str(error or "")


def events(text: str) -> Iterator[Fields]:
    """The objects in the ``data:`` lines of server-sent events.

    Raises:
        SchemaError: If one of them is not JSON.
    """
    for line in text.splitlines():
        if line.startswith("data:") and (data := line[5:].strip()) and data != "[DONE]":
            try:
                value = parse_json(data)
            except SchemaError as error:
                raise SchemaError(f"{error}; {NEED_EVENT}") from None
            if not isinstance(value, dict):
                raise SchemaError(f"not an object; {NEED_EVENT}")
            yield value


def ids_of(tokens: Any) -> Any:
    """The ``id`` of every token object in a list; what is not a list as it is."""
    if not isinstance(tokens, list):
        return tokens
    return [token.get("id") if isinstance(token, dict) else token for token in tokens]


def choices(chunk: Fields) -> Iterator[tuple[int, Fields]]:
    """Index and object of each choice in a chunk of the OpenAI API."""
    found = chunk.get("choices")
    for place, choice in enumerate(found if isinstance(found, list) else ()):
        if isinstance(choice, dict):
            index = choice.get("index")
            yield index if isinstance(index, int) else place, choice


def choice_text(choice: Fields) -> Any:
    """The text of a choice: of a chat's message, of a chunk of one, or of a completion."""
    message = choice.get("message") or choice.get("delta")
    return message.get("content") if isinstance(message, dict) else choice.get("text")


def content_text(content: Any) -> str | None:
    """The content of a message as one text, its parts joined; None if it is not text."""
    parts = content if isinstance(content, list) else [content]
    texts: list[Any] = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(texts) if all(isinstance(text, str) for text in texts) else None
