"""Counts of what was asked and answered, and the record of one request for the log."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

_METHODS = {m.encode(): m for m in ("GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS")}
LEFT = 499  # the client went away before it was answered: what other servers log, too


@frozen
class Access:
    """One request that is over, for the access log.  `duration` is in seconds."""

    request_id: str
    peer: str
    method: bytes
    target: bytes
    status: int
    sent: int  # bytes of the answer's body
    duration: float
    user: str = ""  # the name of who asked, as far as it is known


AccessLog = Callable[[Access], None]


@define(eq=False)
class Counters:
    """Sums over all requests since the start, by method, action and status."""

    requests: dict[tuple[str, str, int], int] = field(factory=dict)
    seconds: dict[tuple[str, str], float] = field(factory=dict)
    received: int = 0  # bytes of bodies that were stored
    sent: int = 0  # bytes of bodies that went out
    running: int = 0

    def count(self, action: str, access: Access) -> None:
        """Add a request that is over."""
        # Only methods that are ours become labels, or clients could make any number of them.
        method = _METHODS.get(access.method, "other")
        line = method, action, access.status
        self.requests[line] = self.requests.get(line, 0) + 1
        work = method, action
        self.seconds[work] = self.seconds.get(work, 0.0) + access.duration
        self.sent += access.sent

    def render(self) -> str:
        """The sums in Prometheus' text format."""
        lines = ["# TYPE godos_http_requests_total counter"]
        for (method, action, status), number in sorted(self.requests.items()):
            labels = f'method="{method}",action="{action}",status="{status}"'
            lines.append(f"godos_http_requests_total{{{labels}}} {number}")
        lines.append("# TYPE godos_http_seconds_total counter")
        for (method, action), seconds in sorted(self.seconds.items()):
            labels = f'method="{method}",action="{action}"'
            lines.append(f"godos_http_seconds_total{{{labels}}} {seconds:.6f}")
        for name, kind, value in (
            ("received_bytes_total", "counter", self.received),
            ("sent_bytes_total", "counter", self.sent),
            ("running", "gauge", self.running),
        ):
            lines += [f"# TYPE godos_http_{name} {kind}", f"godos_http_{name} {value}"]
        return "\n".join(lines) + "\n"
