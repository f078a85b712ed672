"""Users, their keys, and who a request comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


@frozen
class AccessKey:
    """A pair that signs requests; the secret is never shown or logged."""

    id: str
    secret: str = field(repr=False)
    active: bool = True


@frozen
class User:
    """
    Who owns buckets and objects.

    `id` is S3's canonical user id (any text without `/`, `:` or spaces, unique).  A `root`
    user may do everything.  `policy` is what an ordinary one may do beside owning things:
    a document of the AWS policy language, without principals; None allows all that
    ownership allows.
    """

    id: str
    name: str
    email: str = ""
    keys: tuple[AccessKey, ...] = ()
    root: bool = False
    policy: Mapping[str, Any] | None = None
    tenant: str = ""
    rev: str = ""


@frozen
class Principal:
    """
    Who asks.  `id` becomes the owner of what they make.

    `unrestricted`: no question is asked, as of root users and of everybody on a server
    without credentials.  `anonymous`: the request carried no signature.
    """

    id: str
    name: str = ""
    anonymous: bool = False
    unrestricted: bool = False
    policy: Mapping[str, Any] | None = None
    access_key: str = ""

    @property
    def arn(self) -> str:
        """How policies name this principal."""
        return f"arn:aws:iam:::user/{self.id}"


ANONYMOUS = Principal("anonymous", anonymous=True)
OPEN = Principal("anonymous", anonymous=True, unrestricted=True)  # a server without credentials


class ICredentials(Interface):
    """Users by their keys: those of `--credentials` first, then the catalog's."""

    def by_access_key(access_key: str) -> Deferred[tuple[User, AccessKey] | None]:
        """
        The user and the active key with this id; None when there is none.

        May be up to 2 s old.  Fails: CatalogUnavailable.
        """

    def by_id(user_id: str) -> Deferred[User | None]:
        """The user with this canonical id."""

    def by_email(email: str) -> Deferred[User | None]:
        """The user with this e-mail address, as grants may name them."""

    def known() -> Deferred[Sequence[User]]:
        """All users."""
