"""Who may ask: requests of other web pages and for other hosts are refused; answers carry security headers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from urllib.parse import urlsplit

from gradio.route_utils import FnIndexInferError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.model.error_line import error_line
from app.serve.modules import PREFIX
from app.serve.paths import path_of

SAFE = ("GET", "HEAD", "OPTIONS")
CLOSED = (
    *("/monitoring", "/pwa_icon/"),
    *(f"/gradio_api/{name}" for name in ("deep_link", "dev/", "vibe-", "process_recording", "proxy=", "run-history")),
)
"""Routes of Gradio that the page does not use. They write files, show what visitors do, look for changes of the program
twenty times a second, or fetch something from elsewhere."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_BODY = 70_000_000
"""Largest body of a request in bytes: a run file of 32 MB as a JSON string."""
MOST_BODIES = 4 * MOST_BODY
"""Most bytes of all bodies together that are being received or answered."""
MOST_OF_ONE = 2 * MOST_BODY
"""Most bytes of one address among them."""
MOST_VALUES = 100_000
"""Most values and fields in a JSON body. As Python objects they take up to 30 times their bytes, and 20 MB of ``{}``
kept all routes waiting for 25 s; the text of a run file is one value."""
BODY_SECONDS = 120.0
"""How long a body may take to arrive: a visitor may not hold that memory for as long as it likes."""
SHARE_SCRIPTS = "https://gradio.s3-us-west-2.amazonaws.com"
"""Where Gradio's page has its scripts from while it is shared."""
_GRADIO, _UPLOAD = "/gradio_api/", "/gradio_api/upload"
_MISFITS = (KeyError, TypeError, ValueError, FnIndexInferError)
"""What Gradio raises where a request names nothing that the page has, or has a value that JSON does not have."""
_ADDRESS = re.compile(r"([\w+.-]+://)?[^/@#?\\]*")
"""A Host or an Origin: no user, no path."""
_SLICE = 1 << 16
_PLAIN_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the app is served, as Gradio knows it once it runs.

    Attributes:
        share_url: The address of its tunnel.
        root_path: Its path or address behind a reverse proxy.
        shared: Whether the page loads Gradio's scripts from elsewhere.
    """

    share_url: str = ""
    root_path: str = ""
    shared: bool = False


class Hosts:
    """The names by which the app may be asked.

    A name that is not known may be one that an attacker's DNS points here (DNS rebinding); an address cannot.

    Args:
        bound: The address that the app listens on; None is the loopback.
        allowed: Names that the operator adds; ``*.example.com`` means all hosts below it.
    """

    def __init__(self, bound: str | None = None, allowed: Iterable[str] = ()) -> None:
        self.bound = (bound or "127.0.0.1").strip("[]").lower()
        space = [name.strip() for name in os.environ.get("SPACE_HOST", "").split(",") if name.strip()]
        self.named = {name.lower() for name in (*allowed, *space)}
        self.names = {*LOOPBACK, self.bound, *self.named}
        self.on_space = bool(os.environ.get("SPACE_ID") or space)
        if self.on_space:
            self.names.add("*.hf.space")
        if self.bound not in LOOPBACK:
            own = socket.gethostname().lower()
            self.names |= {own, f"{own}.local"}

    def known(self, name: str, place: Place) -> bool:
        """Whether the app may be asked by this name."""
        if not name:
            return False
        # With a root path a reverse proxy is in front of the app, and answers for its names.
        if place.root_path or any(fnmatchcase(name, known) for known in self.names):
            return True
        return name == _name(place.share_url) or (self.bound not in LOOPBACK and _is_address(name))

    def same_origin(self, origin: str, headers: Headers, place: Place) -> bool:
        """Whether a page of this origin is the app's own, asked by an allowed host."""
        parts = _split(origin) if _ADDRESS.fullmatch(origin) else None
        if parts is None or not parts[0]:
            return False
        name, port = parts
        if name in {*self.named, _name(place.share_url), _name(place.root_path)}:
            return True
        hosts = [headers.get("host", "")]
        # Only a proxy's word counts: a page elsewhere cannot send this header to the loopback.
        if place.root_path or (_split(hosts[0]) or ("",))[0] in LOOPBACK:
            hosts.append(headers.get("x-forwarded-host", "").split(",")[0].strip())
        return any(
            own is not None and own[0] == name and own[1] in (None, port) for own in map(_split, filter(None, hosts))
        )


def _split(address: str) -> tuple[str, int | None] | None:
    """Name and port of an origin or a Host header; None if it is neither.

    >>> _split("https://A.example"), _split("[::1]:7860"), _split("null"), _split("a:b")
    (('a.example', 443), ('::1', 7860), ('null', None), None)
    """
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return (parts.hostname or "").rstrip("."), port
    except ValueError:
        return None


def _name(address: str | None) -> str:
    return (_split(address) or ("",))[0] if address and "://" in address else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class _BodyError(ValueError):
    """A body is not taken: the line and the status that say so."""


class _Values:
    """Counts the values and fields of a JSON text that arrives in parts, without parsing it."""

    def __init__(self) -> None:
        self.count = 0
        self._in_string = False
        self._escape = b""

    def add(self, part: bytes) -> int:
        """How many there are with this part."""
        for start in range(0, len(part), _SLICE):
            text = self._escape + part[start : start + _SLICE]
            self._escape = text[-1:] if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
            text = text[: len(text) - len(self._escape)].replace(b"\\\\", b"").replace(b'\\"', b"")
            pieces = text.split(b'"')
            outside = b"".join(pieces[self._in_string :: 2])
            self.count += sum(map(outside.count, (b",", b":", b"[", b"{")))
            self._in_string ^= len(pieces) % 2 == 0
        return self.count


class _Body:
    """The body of one request, within the bounds.

    Args:
        held: Bytes of all bodies that are being received or answered, by the address that sends them.

    Attributes:
        taken: Bytes that have arrived.
        refused: Why no more of it is taken; None if it is.
    """

    def __init__(self, scope: Scope, receive: Receive, held: Counter[str]) -> None:
        self.taken = 0
        self.refused: _BodyError | None = None
        self.client = (scope.get("client") or ("",))[0]
        self._receive, self._held = receive, held
        self._values = None if scope["path"].endswith(_UPLOAD) else _Values()
        self._latest: float | None = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """The next part of it.

        Raises:
            _BodyError: If it is too large or takes too long.
        """
        try:
            async with asyncio.timeout_at(self._latest):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse("The request took too long.", 408) from None
        if not message.get("more_body"):
            self._latest = None  # what follows is the end of the connection
        part = message.get("body", b"")
        self.taken += len(part)
        self._held[self.client] += len(part)
        if self.taken > MOST_BODY or self._held[self.client] > MOST_OF_ONE or self._held.total() > MOST_BODIES:
            raise self._refuse("The request is too large.", 413)
        if self._values is not None and self._values.add(part) > MOST_VALUES:
            raise self._refuse(f"The request has more than {MOST_VALUES:,} values.", 413)
        return message

    def _refuse(self, *reason: object) -> _BodyError:
        self.refused = _BodyError(*reason)
        return self.refused


class Guard:
    """ASGI middleware around everything that Gradio serves. Whatever breaks inside is answered in one line."""

    def __init__(self, app: ASGIApp, hosts: Hosts, place: Callable[[], Place]) -> None:
        self.app = app
        self.hosts = hosts
        self.place = place
        self._held = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, place = False, self.place()
        foreign = self._is_foreign(Headers(scope=scope), place)
        body = _Body(scope, receive, self._held)

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                if body.refused is not None:  # whoever caught it inside would answer otherwise
                    raise body.refused
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers(place).items():
                    headers.setdefault(name, value)
                if foreign:  # Gradio lets the pages of all other ports of this machine read
                    del headers["access-control-allow-origin"]
            await send(message)

        try:
            refusal = self._refusal(scope, place)
            await (refusal or self.app)(scope, body.receive, guarded)
        except Exception as error:
            if started and body.refused is None:
                raise
            answer = _failure(scope, body.refused or error)
            body.refused = None
            if not started:
                await answer(scope, receive, guarded)
        finally:
            self._held -= Counter({body.client: body.taken})  # forgets the client that holds nothing more

    def _refusal(self, scope: Scope, place: Place) -> Response | None:
        """Why a request is not answered; None if it is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = _split(hosts[0]) if len(hosts) == 1 and _ADDRESS.fullmatch(hosts[0]) else None
        if host is None or not self.hosts.known(host[0], place):
            return PlainTextResponse("This host is not allowed. Start the app with --allow-host NAME to allow it.", 403)
        if path_of(scope).startswith(CLOSED):
            return PlainTextResponse("Not found.", 404)
        if scope["method"] not in SAFE:
            hidden = "origin" not in headers and headers.get("sec-fetch-site") == "cross-site"
            if hidden or self._is_foreign(headers, place):
                return PlainTextResponse("Requests of other web pages are not allowed.", 403)
        length = headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length[:20]) > MOST_BODY:
            return PlainTextResponse("The request is too large.", 413)
        return None

    def _is_foreign(self, headers: Headers, place: Place) -> bool:
        """Whether a page elsewhere asks."""
        return any(not self.hosts.same_origin(origin, headers, place) for origin in headers.getlist("origin"))

    def _headers(self, place: Place) -> dict[str, str]:
        """The security headers of every answer."""
        scripts = f" {SHARE_SCRIPTS}" if place.shared else ""
        frames = " https://huggingface.co https://*.huggingface.co https://*.hf.space" if self.hosts.on_space else ""
        # Gradio's page has inline scripts and styles, and makes functions of its components' scripts.
        policy = {
            "default-src": f"'self'{scripts}",
            "script-src": f"'self' 'unsafe-inline' 'unsafe-eval' blob:{scripts}",
            "style-src": f"'self' 'unsafe-inline'{scripts}",
            "img-src": "'self' data: blob:",
            "font-src": f"'self' data:{scripts}",
            "worker-src": "'self' blob:",
            "object-src": "'none'",
            "base-uri": "'self'",
            "form-action": "'self'",
            "frame-ancestors": f"'self'{frames}",
        }
        framed = {} if self.hosts.on_space else {"x-frame-options": "SAMEORIGIN"}
        csp = "; ".join(f"{name} {value}" for name, value in policy.items())
        return {**_PLAIN_HEADERS, **framed, "content-security-policy": csp}


def _failure(scope: Scope, error: Exception) -> Response:
    """The answer to a request that broke, in one line."""
    if isinstance(error, _BodyError):
        return PlainTextResponse(*error.args)
    misfit = isinstance(error, _MISFITS) and path_of(scope).startswith(_GRADIO) and PREFIX not in scope["path"]
    # Anybody can send requests that do not fit, so their tracebacks are not logged.
    logging.getLogger(__name__).warning("%s failed", scope["path"], exc_info=None if misfit else error)
    if misfit:
        return JSONResponse({"error": f"This request does not fit the page ({error_line(error)}); load it again."}, 400)
    return JSONResponse({"error": error_line(error)}, 500)
