"""Whatever botocore and awscrt sign is let in, and nothing else."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest
from botocore.auth import HmacV1Auth
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.protocol.sigv2 import SIGNED
from godos.web.errors import S3Error
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import (
    HOST,
    KEY,
    SECRET,
    WAYS,
    Sign,
    caller_of,
    header_v4,
    query_v4,
    signed,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
KEYS = TEXT.filter(lambda key: key not in (".", ".."))
NAMES = st.text("abcdefgh-", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
METADATA = st.dictionaries(
    NAMES.map(lambda name: f"x-amz-meta-a{name}"), VALUES.map(lambda text: f"v{text}v"), max_size=3
)
# What we want signed by version 2 and botocore does not sign, being older.
_UNSIGNED = {name.decode() for name in SIGNED}.difference(HmacV1Auth.QSAOfInterest)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["prefix", "acl", "uploads", "versionId", "partNumber", "max-keys", "a b"])
        | TEXT.filter(lambda name: name not in _UNSIGNED),
        TEXT,
    ),
    max_size=4,
    unique_by=lambda pair: pair[0],
)
METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"])


def target_of(key: str, query: list[tuple[str, str]]) -> str:
    """A target as careful clients write it."""
    path = "/photos/" + quote(key, safe="/-_.~")
    texts = [[quote(text, safe="-_.~") for text in pair] for pair in query]
    pairs = "&".join(map("=".join, texts))
    return f"{path}?{pairs}" if pairs else path


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(WAYS.values())), METHODS, KEYS, QUERIES, METADATA, st.binary(max_size=20)
)
def test_botocore(
    sign: Sign,
    method: str,
    key: str,
    query: list[tuple[str, str]],
    metadata: dict[str, str],
    body: bytes,
) -> None:
    """Requests that botocore signs are let in for any key, query, metadata and body."""
    request = signed(sign, method, target_of(key, query), metadata, body)
    assert caller_of(request.exchange()).principal.id == "alice"


def crt(
    kind: AwsSignatureType,
    method: str,
    target: str,
    headers: dict[str, str],
    body: str | None = None,
    secret: str = SECRET,
) -> FakeExchange:
    """Sign a request as the AWS SDKs that stand on awscrt do."""
    request = HttpRequest(method, target, HttpHeaders([("Host", HOST), *headers.items()]))
    in_header = kind is AwsSignatureType.HTTP_REQUEST_HEADERS
    header_type = (
        AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256 if in_header else AwsSignedBodyHeaderType.NONE
    )
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=kind,
        credentials_provider=AwsCredentialsProvider.new_static(KEY, secret),
        region="us-east-1",
        service="s3",
        date=datetime.fromtimestamp(int(time.time()), UTC),
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value=body or "UNSIGNED-PAYLOAD",
        signed_body_header_type=header_type,
        expiration_in_seconds=None if in_header else 600,
    )
    aws_sign_request(request, config).result(10)
    return FakeExchange(method, request.path, list(request.headers))


CRT: dict[str, AwsSignatureType] = {
    "header": AwsSignatureType.HTTP_REQUEST_HEADERS,
    "query": AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(CRT.values())), METHODS, KEYS, QUERIES, METADATA)
def test_awscrt(
    kind: AwsSignatureType,
    method: str,
    key: str,
    query: list[tuple[str, str]],
    metadata: dict[str, str],
) -> None:
    """Requests that awscrt signs are let in for any key, query and metadata."""
    exchange = crt(kind, method, target_of(key, query), metadata)
    assert caller_of(exchange).principal.id == "alice"


@pytest.mark.parametrize("kind", CRT.values(), ids=CRT)
def test_awscrt_with_another_secret(kind: AwsSignatureType) -> None:
    """The same with a wrong secret is refused."""
    with pytest.raises(S3Error) as refused:
        caller_of(crt(kind, "GET", "/photos/cat.jpg", {}, secret="x" + SECRET[1:]))
    assert refused.value.code == "SignatureDoesNotMatch"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([header_v4, query_v4]), KEYS, QUERIES, KEYS, QUERIES)
def test_no_other_name_is_let_in(
    sign: Sign,
    key: str,
    query: list[tuple[str, str]],
    other_key: str,
    other_query: list[tuple[str, str]],
) -> None:
    """A signature for one key and query is good for no other."""
    request = signed(sign, "GET", target_of(key, query))
    signature = request.target.removeprefix(target_of(key, query))
    if signature[:1] in ("?", "&"):
        signature = signature[1:]
    request.target = target_of(other_key, other_query)
    if signature:
        request.target += ("&" if "?" in request.target else "?") + signature
    if other_key == key and sorted(other_query) == sorted(query):
        assert caller_of(request.exchange()).signed
        return
    with pytest.raises(S3Error) as refused:
        caller_of(request.exchange())
    assert refused.value.code in (
        "SignatureDoesNotMatch",
        "AuthorizationQueryParametersError",
        "InvalidArgument",
    )
