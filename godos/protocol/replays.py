"""Recognise a request that was received before, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define

SESSIONS = 4096  # senders remembered at once
WINDOW = 16384  # counts behind a session's highest that may still arrive


@define
class _Session:
    """
    `seen` has bit n set when count `highest - n` has arrived.

    What was signed up to `floor` may have arrived before the session was forgotten once.
    """

    highest: int
    seen: int
    newest: float
    floor: float

    def accept(self, count: int) -> bool:
        ahead = count - self.highest
        if ahead > 0:
            kept = self.seen << ahead & _MASK if ahead < WINDOW else 0
            self.highest, self.seen = count, kept | 1
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if not bit or self.seen & bit:
            return False
        self.seen |= bit
        return True


_MASK = (1 << WINDOW) - 1


class ReplayMemory:
    """
    Tells the first arrival of a request from every later one.  Sans-IO.

    A request is named by its sender's session and a count that grows with each one signed.
    Requests of a session may overtake each other by up to `WINDOW` counts; what comes later
    than that is taken for a replay, since it can no longer be told from one.

    Args:
        lifetime: seconds after its signing for which the caller accepts a request at all.
        sessions: how many to remember.  Each takes at most `WINDOW` bits.
    """

    def __init__(self, lifetime: float, sessions: int = SESSIONS) -> None:
        self._lifetime = lifetime
        self._most = sessions
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()  # least recent first
        self._floor = float("-inf")  # forgotten sessions signed nothing acceptable after this

    def first_time(self, session: bytes, count: int, signed: float, now: float) -> bool:
        """
        Whether this request, signed at `signed`, was not received before.  It now was.

        Both times are seconds since the epoch, on the sender's and on our clock; the caller
        has found them close enough to each other, and the signature good.
        """
        known = self._sessions.get(session)
        if known is None:
            return self._first_of(session, count, signed, now)
        if signed <= known.floor:
            return False
        self._sessions.move_to_end(session)
        known.newest = max(known.newest, signed)
        return known.accept(count)

    def _first_of(self, session: bytes, count: int, signed: float, now: float) -> bool:
        self._make_room(now)
        if signed <= self._floor:
            return False  # may be of a session that was forgotten to make room
        self._sessions[session] = _Session(count, 1, signed, self._floor)
        return True

    def _make_room(self, now: float) -> None:
        """Forget what is too old to be accepted, or else the session that is silent longest."""
        while self._sessions:
            session, oldest = next(iter(self._sessions.items()))
            expired = oldest.newest < now - self._lifetime
            if not expired and len(self._sessions) < self._most:
                return
            if not expired:
                self._floor = max(self._floor, oldest.newest)
            del self._sessions[session]

    def __len__(self) -> int:
        """Sessions remembered now."""
        return len(self._sessions)
