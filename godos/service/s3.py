"""The S3 API of a server: picked, and put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from godos.deferreds import InThread
from godos.model.objects import IObjects
from godos.model.users import ICredentials
from godos.objects.trials import Trials
from godos.service.s3_settings import S3Settings
from godos.web.counters import AccessLog, Counters
from godos.web.hosts import Hosts
from godos.web.s3.authentication import Authentication
from godos.web.s3.authorisation import Authoriser
from godos.web.s3.cors import Cors
from godos.web.s3.documents import Documents
from godos.web.s3.either_authentication import EitherAuthentication, Guard
from godos.web.s3.forms import Forms
from godos.web.s3.open_authentication import OpenAuthentication
from godos.web.s3.performing import Performer
from godos.web.s3.pipeline import Parts, Pipeline
from godos.web.s3.routes import routes
from godos.web.s3.website import Website
from godos.web.serving import Serving


@frozen
class S3Front:
    """What serves S3 requests, and what admin resources ask whether they may."""

    serving: Serving
    pipeline: Pipeline
    hosts: Hosts


def s3_front(
    reactor: Any,
    objects: IObjects,
    credentials: ICredentials,
    settings: S3Settings,
    guard: Guard | None,
    in_thread: InThread,
    counters: Counters,
    access_log: AccessLog | None,
    now: Callable[[], float],
    trials: Trials | None = None,
) -> S3Front:
    """
    Args:
        guard: looks at requests while there are no users; None lets everybody in.
        in_thread: where large bodies are hashed and long documents read.
        now: seconds since the epoch.
        trials: of the queues that buckets are to notify; None takes any queue.
    """
    hosts = Hosts(settings.domains, settings.website_domains)
    checked = Authentication(credentials, now, in_thread, settings.region)
    unchecked = OpenAuthentication(now, in_thread, guard)
    authentication = EitherAuthentication(credentials, checked, unchecked, settings.signed)
    authoriser = Authoriser(objects, now)
    table = routes(objects, credentials, counters, now, settings.region, trials)
    performer = Performer(authoriser, table, Documents(in_thread))
    pipeline = Pipeline(
        Parts(
            hosts,
            authentication,
            authoriser,
            performer,
            Cors(objects),
            Forms(authentication, performer),
            Website(objects, performer),
        )
    )
    serving = Serving(pipeline.decide, reactor, counters, access_log)
    return S3Front(serving, pipeline, hosts)
