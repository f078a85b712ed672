"""Requests are checked once there is a user; before, the server is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from godos.model.users import ICredentials
from godos.web.exchange import IExchange
from godos.web.s3.authentication import Authentication
from godos.web.s3.callers import Caller, Poster
from godos.web.s3.open_authentication import OpenAuthentication

# Refuses, by raising AccessDenied, a request to a server without credentials.
Guard = Callable[[IExchange], None]


class EitherAuthentication:
    """
    The `Authentication` of a server whose first user may be added while it runs.

    When it cannot be told whether there are users, nobody is let in.

    Args:
        always: check requests even while there are no users.
    """

    def __init__(
        self,
        credentials: ICredentials,
        checked: Authentication,
        unchecked: OpenAuthentication,
        always: bool = False,
    ) -> None:
        self._always = always
        self._credentials = credentials
        self._checked = checked
        self._unchecked = unchecked

    async def _chosen(self) -> Authentication | OpenAuthentication:
        if self._always or await self._credentials.known():
            return self._checked
        return self._unchecked

    async def authenticate(self, exchange: IExchange, bucket: str = "") -> Caller:
        """See `Authentication`."""
        return await (await self._chosen()).authenticate(exchange, bucket)

    async def authenticate_form(
        self, exchange: IExchange, fields: Mapping[str, str], bucket: str
    ) -> Poster:
        """See `Authentication`."""
        return await (await self._chosen()).authenticate_form(exchange, fields, bucket)
