"""What `--queue` says: where the middleware is, and what its queues are called."""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen

_NAME = re.compile(r"[A-Za-z0-9_-]{1,72}")  # with `-located` at most SQS's 80
_OWN_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")  # with `-node-` and 32 digits
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FORM = "none or sqs:NAME[?region=…&endpoint=…&own=1]"


@frozen
class SqsAddress:
    """
    SQS queues: `name` for questions and `<name>-located` for replies.

    `own`: instead a queue for each node and each API server.  `endpoint` is for services
    that speak SQS elsewhere than at AWS.
    """

    name: str
    region: str | None = None
    endpoint: str | None = None
    own: bool = False

    @property
    def queries(self) -> str:
        """The queue that all data servers listen to."""
        return self.name

    @property
    def replies(self) -> str:
        """The queue that all API servers listen to."""
        return f"{self.name}-located"

    def of_node(self, node_id: str) -> str:
        """The queue on which a node is asked."""
        return f"{self.name}-node-{_safe(node_id)}"

    def of_api(self, api_id: str) -> str:
        """The queue on which an API server hears replies."""
        return f"{self.name}-api-{_safe(api_id)}"

    def is_own(self, queue: str) -> bool:
        """Whether `queue` has the name of some node's or API server's queue."""
        return queue.startswith((f"{self.name}-node-", f"{self.name}-api-"))


def _safe(member_id: str) -> str:
    """An id as part of a queue name; one that a name cannot hold stands as its digest."""
    if _ID.fullmatch(member_id) is not None:
        return member_id
    return sha256(member_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def parse_queue(text: str) -> SqsAddress | None:
    """
    Read `none`, or `sqs:NAME[?region=…&endpoint=…&own=1]`.

    Raises:
        ValueError: it is neither; the message says what is.
    """
    if text == "none":
        return None
    scheme, _, rest = text.partition(":")
    if scheme != "sqs":
        raise ValueError(f"{text!r} is no queue: {_FORM}")
    name, _, query = rest.partition("?")
    options = _options(query)
    own = options.get("own", "0")
    if own not in ("0", "1"):
        raise ValueError(f"own={own!r} is neither 0 nor 1")
    longest = 40 if own == "1" else 72
    if (_OWN_NAME if own == "1" else _NAME).fullmatch(name) is None:
        raise ValueError(f"{name!r} is no queue name: 1 to {longest} letters, digits and _ -")
    endpoint = options.get("endpoint")
    if endpoint is not None:
        _check_endpoint(endpoint)
    return SqsAddress(name, options.get("region"), endpoint, own == "1")


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in ("region", "endpoint", "own"):
            raise ValueError(f"{key!r} is no option of a queue: region, endpoint and own are")
        if key in options or not value:
            raise ValueError(f"the option {key} of a queue is given once, and not empty")
        options[key] = value
    return options


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{endpoint!r} is no endpoint: http://HOST:PORT or https://HOST")
    if "@" in parts.netloc:
        raise ValueError("an endpoint holds no user and no password: others see command lines")
