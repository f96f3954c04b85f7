"""Paths of requests."""

from __future__ import annotations

from starlette.types import Scope


def path_of(scope: Scope) -> str:
    """The path below the app's root, which a reverse proxy may take away or leave: the routes answer both.

    >>> [path_of({"path": path, "root_path": "/a"}) for path in ("/a/b", "/b", "/ab")]
    ['/b', '/b', '/ab']
    """
    path, root = scope["path"], scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path
