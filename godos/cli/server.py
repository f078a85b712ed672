"""An API server as the commands `status`, `explain` and `gc` ask it: over HTTP, signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click

from godos.cli.store import READ

_UNRESERVED = "/~"  # what a path keeps beside letters, digits and -._


class Server:
    """
    The admin resources of the server at `endpoint`.

    Requests are signed with the key that the AWS tools would take; without one they are
    not.
    """

    def __init__(self, endpoint: str) -> None:
        from botocore import session
        from botocore.exceptions import BotoCoreError
        from botocore.httpsession import URLLib3Session

        inner = session.get_session()
        for provider in ("container-role", "iam-role"):  # see store.connect
            inner.get_component("credential_provider").remove(provider)
        try:
            self._key = inner.get_credentials()
            self._region = inner.get_config_variable("region") or "us-east-1"
            verify = inner.get_config_variable("ca_bundle") or True
        except BotoCoreError as error:
            raise click.ClickException(str(error)) from error
        self._endpoint = endpoint.rstrip("/")
        self._http = URLLib3Session(verify=verify, timeout=READ)

    def get(self, path: str, has: str, /, **query: str | None) -> Mapping[str, Any]:
        """
        A document.

        Args:
            path: not encoded; a query's parameters that are None are left out.
            has: a member by which it is known.

        Raises:
            ClickException: the server refuses, cannot be reached, or is something else.
        """
        return self._known(self._call("GET", path, query), has)

    def post(self, path: str, has: str, /) -> Mapping[str, Any]:
        """Ask for something; as `get`."""
        return self._known(self._call("POST", path, {}), has)

    def _known(self, document: Mapping[str, Any], has: str) -> Mapping[str, Any]:
        if has not in document:
            raise click.ClickException(f"{self._endpoint} is no API server of godos, it seems")
        return document

    def _call(self, method: str, path: str, query: Mapping[str, str | None]) -> Mapping[str, Any]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, HTTPClientError

        asked = urlencode({name: text for name, text in query.items() if text is not None})
        target = quote(path, safe=_UNRESERVED) + (f"?{asked}" if asked else "")
        headers = {"Accept": "application/json"}
        try:
            request = AWSRequest(method, f"{self._endpoint}{target}", headers, data=b"")
            if self._key is not None:
                S3SigV4Auth(self._key.get_frozen_credentials(), "s3", self._region).add_auth(
                    request
                )
            answer = self._http.send(request.prepare())
        except (BotoCoreError, HTTPClientError, ValueError, OSError) as error:
            raise click.ClickException(f"{self._endpoint}: {error}") from error
        return _document(answer.status_code, answer.content)


def _document(status: int, body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise click.ClickException(f"the server answers {status}, and no document")
    if status >= 300:
        told = document.get("Message") or "refused"
        raise click.ClickException(f"{told} ({document.get('Code', status)})")
    return document
