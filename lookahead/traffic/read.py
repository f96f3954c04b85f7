"""Recordings of other engines, read into samples.

A recording is JSONL: a row is ``{"request": {...}, "response": {...}}``, a response alone, or messages with their
answer; the response of a stream is a list of its chunks or the text of its server-sent events. A file of ``data:``
lines (what ``curl -N`` prints) and Parquet are read as well.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from lookahead.backend import BackendError
from lookahead.inputs import (
    MAX_TEXT_BYTES,
    InputError,
    TokenIds,
    excerpt,
    json_line,
    lines,
)
from lookahead.strict_json import SchemaError, checked, parse_json, refuse_half_pairs
from lookahead.study.material import Sample
from lookahead.traffic import llamacpp, openai, parquet, ray_data, sglang, tgi
from lookahead.traffic.exchange import NEED_EVENT, Answer, Exchange, Fields, Reader, content_text, events, exchange
from lookahead.traffic.retokenising import Retokeniser


class _Ids(msgspec.Struct):
    """Token ids of an answer, as a response holds them."""

    prompt: TokenIds | None
    output: TokenIds


READERS = (openai.VLLM, sglang.READER, llamacpp.READER, ray_data.READER, tgi.READER, openai.READER)
"""The engines whose recordings can be read; the first one that knows a response reads it."""
_HINT = f"need a response of {', '.join(reader.name for reader in READERS)}"


def reader_of(chunks: Sequence[Fields]) -> Reader | None:
    """The reader that knows one of these chunks; None if nobody does."""
    return next((reader for reader in READERS if any(map(reader.matches, chunks))), None)


def is_traffic(start: bytes) -> bool:
    """Whether a file that begins with this line is a recording of another engine.

    Args:
        start: Its first line that is not blank; of a Parquet file the first bytes.
    """
    if start.startswith(parquet.MAGIC) or start.lstrip().startswith((b"data:", b"event:")):
        return True
    try:
        found = exchange(parse_json(start.decode("utf-8")))
        if isinstance(found.request.get("prompt"), str) and any("answer" in chunk for chunk in found.chunks):
            return False  # a prompt to be run, and an answer that its author wrote
    except (UnicodeDecodeError, SchemaError):
        return False
    return bool(found.error and found.request) or reader_of(found.chunks) is not None


def traffic_in(
    data: bytes,
    path: str,
    tokenizer: str | os.PathLike[str] | Any | None = None,
    note: Callable[[str], None] | None = None,
) -> Iterator[Sample]:
    """The answered requests in the content of a recording, in file order; one for each choice of a response.

    Args:
        path: Its name in messages.
        tokenizer: What makes token ids where there is only text: a folder, a model id or a tokenizer.
        note: Takes what a reader has to know, a line each: rows left out, and how far text drifts from token ids.

    Raises:
        InputError: If it has no answer, or at the first row that is not valid.
    """
    retokeniser = None if tokenizer is None else Retokeniser(tokenizer)
    left_out = _LeftOut()
    read = 0
    try:
        for place, row in _rows(data, path):
            try:
                with _foreign():
                    samples = list(_samples(path, place, exchange(row), left_out, retokeniser))
            except (SchemaError, BackendError) as error:
                raise InputError(f"{path}, {place}: {error}") from None
            read += len(samples)
            yield from samples
        if not read:
            raise InputError(f"{path}: has no answer; {'; '.join(left_out.notes()) or _HINT}")
    finally:  # also where the caller wants no more
        if note is not None and read:
            for line in (*left_out.notes(), *(retokeniser.warnings() if retokeniser is not None else ())):
                note(f"{Path(path).name}: {line}")


@contextmanager
def _foreign() -> Iterator[None]:
    """Turn what a reader stumbles over into SchemaError: any field of a row may be of any type."""
    try:
        yield
    except (TypeError, AttributeError, LookupError) as error:
        raise SchemaError(f"a field is not what a response has there ({excerpt(error)}); {_HINT}") from error


def _samples(
    path: str, place: str, found: Exchange, left_out: _LeftOut, retokeniser: Retokeniser | None
) -> Iterator[Sample]:
    """The samples of a row: none if the request failed, several if it asked for several choices."""
    if found.error:
        left_out.failed.append(f"{place}: {excerpt(found.error)}")
        return
    reader = reader_of(found.chunks)
    if reader is None:
        raise SchemaError(_HINT)
    for index, answer in enumerate(reader.answers(found.chunks)):
        name = f"{Path(path).name}:{place.split()[-1]}" + (f"#{index + 1}" if index else "")
        sample = _sample(name, found, answer, reader, retokeniser)
        if sample is None:
            left_out.empty += 1
        else:
            yield sample


@dataclass(slots=True)
class _LeftOut:
    """What was left out of a recording."""

    failed: list[str] = field(default_factory=list)
    empty: int = 0

    def notes(self) -> Iterator[str]:
        """A line for each kind."""
        if self.failed:
            yield f"failed requests left out: {len(self.failed)} (the first: {self.failed[0]})"
        if self.empty:
            yield f"answers without a token left out: {self.empty}"


def _sample(
    name: str, found: Exchange, answer: Answer, reader: Reader, retokeniser: Retokeniser | None
) -> Sample | None:
    """The sample of an answer; None if the answer has no token.

    Raises:
        SchemaError: If ids are not valid, or are not there and cannot be made.
    """
    sent_ids, sent = _sent(found.request)
    prompt = _checked_text("prompt", sent if answer.prompt is None else answer.prompt)
    text = _checked_text("response", answer.text)
    ids = checked({"prompt": answer.prompt_ids or sent_ids, "output": answer.output_ids or ()}, _Ids)
    if not ids.output and not text:
        return None
    for what, known in (("prompt", ids.prompt), ("output", ids.output)):
        if not known and retokeniser is None:
            raise SchemaError(f"no token ids of the {what}: {reader.hint}; or give a tokenizer with --tokenizer")
    prompt_ids, output_ids = ids.prompt or (), ids.output
    if retokeniser is not None:
        if not prompt_ids and prompt:
            prompt_ids = tuple(retokeniser.prompt(prompt, found.request.get("tools"), answer.prompt_tokens))
        if not prompt_ids:
            raise SchemaError("no prompt; record the request, too")
        if output_ids:
            retokeniser.compare(prompt_ids, output_ids)
        else:
            output_ids = tuple(retokeniser.output(prompt_ids, text, answer.tokens))
    return Sample(name, prompt_ids, output_ids, _shown(sent or prompt), found.category) if output_ids else None


def _sent(request: Fields) -> tuple[Any, Any]:
    """The prompt in a request: its token ids if it was sent as such, and the text or messages; None for what is not."""
    prompt = request.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
        (prompt,) = prompt
    ids = next((found for key in ("prompt_token_ids", "input_ids", "token_ids") if (found := request.get(key))), None)
    if isinstance(prompt, list):
        return prompt, None
    texts = (prompt, request.get("messages"), request.get("inputs"), request.get("text"))
    return ids, next((found for found in texts if isinstance(found, (str, list)) and found), None)


def _checked_text(name: str, value: Any) -> Any:
    """The same text, or messages.

    Raises:
        SchemaError: If it is too large, or is half a surrogate pair somewhere.
    """
    refuse_half_pairs({name: value})
    if isinstance(value, str) and len(value.encode()) > MAX_TEXT_BYTES:
        raise SchemaError(f"{name}: larger than {MAX_TEXT_BYTES} bytes")
    return value


def _shown(prompt: Any) -> str:
    """A prompt as text: of a chat what its last message says."""
    last = prompt[-1] if isinstance(prompt, list) and prompt else prompt
    return content_text(last.get("content") if isinstance(last, dict) else last) or ""


def _rows(data: bytes, path: str) -> Iterator[tuple[str, Any]]:
    """Place and value of every row; the chunks of a stream that has a line each are one row."""
    file = io.BytesIO(data)
    yield from parquet.rows(file, path) if data.startswith(parquet.MAGIC) else _text_rows(file, path)


def _text_rows(file: BinaryIO, path: str) -> Iterator[tuple[str, Any]]:
    stream: list[Fields] = []
    begin = 0
    for place, line in lines(file, path):
        stripped = line.strip()
        if stripped.startswith(b"data:"):
            try:
                chunks = list(events(stripped.decode("utf-8")))
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {place}: is not UTF-8 text; {NEED_EVENT}") from None
            except SchemaError as error:
                raise InputError(f"{path}, line {place}: {error}") from None
            if stream and (not chunks or _begins(stream, chunks[0])):
                yield f"line {begin}", stream
                stream = []
            begin = begin if stream else place
            stream += chunks
        elif stripped and not stripped.startswith((b"event:", b"id:", b"retry:", b":")):
            yield f"line {place}", json_line(path, place, line, (dict, list))
    if stream:
        yield f"line {begin}", stream


def _begins(stream: Sequence[Fields], chunk: Fields) -> bool:
    """Whether this chunk is the first one of another stream."""
    last = stream[-1]
    return last.get("id") != chunk.get("id") or last.get("stop") is True or isinstance(last.get("generated_text"), str)
