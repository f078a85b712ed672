"""
The signature of a form that a browser posts: it signs the policy.  Of both versions.

Sans-IO.  Source: Amazon S3 API Reference, "Authenticating Requests: Browser-Based Uploads
Using POST"; Amazon S3 User Guide, "Browser-based uploads using POST (AWS signature version
2)".
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping

from attrs import frozen

from godos.protocol import sigv2, sigv4
from godos.protocol.signatures import SignatureRefused, basic_time, mismatch
from godos.protocol.sigv4_claims import problem_of, session_token_refused

_V4 = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_V2 = ("awsaccesskeyid", "signature")


@frozen
class FormClaim:
    """
    What a form says of its signature.  Nothing of it is verified yet.

    `claim` is the scope of version 4, None in version 2; `policy` the field, in base64.
    """

    access_key: str
    signature: bytes
    policy: bytes
    claim: sigv4.Claim | None


def read(fields: Mapping[str, str]) -> FormClaim | None:
    """
    Read a form's signature; None when it has neither signature nor policy.

    Args:
        fields: by their names in lower case.

    Raises:
        SignatureRefused: a field is missing or makes no sense.
    """
    if "x-amz-security-token" in fields:
        raise session_token_refused()
    version_4, version_2 = any(map(fields.get, _V4)), any(map(fields.get, _V2))
    if "policy" not in fields:
        if version_4 or version_2:
            raise _invalid("a signed form has a field named policy")
        return None
    if version_4 and version_2:
        raise _invalid("a form is signed by one version, not by two")
    needed = _V4 if version_4 else _V2
    missing = [name for name in needed if not fields.get(name)]
    if missing:
        raise _invalid(f"a form with a policy is signed: it lacks {', '.join(missing)}")
    return _version_4(fields) if version_4 else _version_2(fields)


def _version_2(fields: Mapping[str, str]) -> FormClaim:
    access_key, signature = (fields[name] for name in _V2)
    return FormClaim(access_key, signature.encode("utf-8"), _policy(fields), None)


def _version_4(fields: Mapping[str, str]) -> FormClaim:
    algorithm, credential, date, signature = (fields[name].encode("utf-8") for name in _V4)
    if algorithm != sigv4.ALGORITHM:
        raise _invalid(f"x-amz-algorithm only supports {sigv4.ALGORITHM.decode()}")
    problem = problem_of(credential, b"host", signature)
    signed_at = basic_time(date)
    if problem or signed_at is None:
        raise _invalid(problem or "x-amz-date is written yyyyMMddTHHmmssZ")
    access_key, day, region, service, _ = credential.rsplit(b"/", 4)
    claim = sigv4.Claim(
        access_key.decode("utf-8"), day, region, service, b"", signature, date, signed_at, b"", 0
    )
    return FormClaim(claim.access_key, signature, _policy(fields), claim)


def _policy(fields: Mapping[str, str]) -> bytes:
    return fields["policy"].encode("utf-8")


def check_scope(form: FormClaim, regions: Collection[bytes], region: str) -> None:
    """As `sigv4.check_scope`."""
    if form.claim is not None:
        sigv4.check_scope(form.claim, regions, region)


def verify(form: FormClaim, secret: str) -> None:
    """
    Check the signature of a form.

    Raises:
        SignatureRefused: its policy was signed with another secret, or changed since.
    """
    claim = form.claim
    if claim is None:
        expected = sigv2.sign(secret, form.policy)
    else:
        expected = sigv4.sign(sigv4.signing_key(secret, claim.date, claim.region), form.policy)
    if not hmac.compare_digest(expected, form.signature):
        raise mismatch(
            form.access_key,
            {
                "StringToSign": form.policy.decode("utf-8"),
                "SignatureProvided": form.signature.decode("utf-8"),
            },
        )


def _invalid(message: str) -> SignatureRefused:
    return SignatureRefused("InvalidArgument", message, {"ArgumentName": "policy"})
