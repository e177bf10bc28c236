"""RemoteMonitor: the epochs' logs sent to a server."""

from __future__ import annotations

import json
import warnings
from typing import Any

from .base import Callback


class RemoteMonitor(Callback):
    """Posts each epoch's logs to ``root + path``; a server that isn't there is a warning.

    Args:
        root, path: where to.
        field: the name of the form field that holds the logs as JSON.
        headers: further headers.
        send_as_json: the logs are the body, as ``application/json``, instead of a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        import urllib.error
        import urllib.parse
        import urllib.request

        text = json.dumps({"epoch": epoch, **{k: getattr(v, "item", lambda v=v: v)() for k, v in (logs or {}).items()}})
        if self.send_as_json:
            body, kind = text, "application/json"
        else:
            body, kind = urllib.parse.urlencode({self.field: text}), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        request = urllib.request.Request(self.root + self.path, body.encode(), headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except (urllib.error.URLError, OSError):
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}.", stacklevel=2)
