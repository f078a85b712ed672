"""The encryption that a bucket's objects get when an upload asks for none."""

from __future__ import annotations

from godos.model.encryption import Cipher
from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.errors import UnsupportedFeature
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    absence,
    malformed,
    payload,
    some,
    wrong_argument,
)

_NONE = absence("ServerSideEncryptionConfigurationNotFoundError", "encryption configuration")
_ELSEWHERE = ("aws:kms:dsse", "aws:fsx", "aws:backup")


class BucketEncryption:
    """Get-, Put- and DeleteBucketEncryption."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "encryption")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketEncryption": Route(self.get, Action.GET_ENCRYPTION),
            "PutBucketEncryption": Route(self.put, Action.PUT_ENCRYPTION),
            "DeleteBucketEncryption": Route(self.delete, Action.PUT_ENCRYPTION),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """What was configured."""
        document = await self._documents.get(call.target.bucket, _NONE)
        return {"ServerSideEncryptionConfiguration": document}

    async def put(self, call: Call, request: Request) -> Result:
        """Encrypt what is stored from now on."""
        document = payload(request, "ServerSideEncryptionConfiguration")
        for rule in some(document, "Rules", 1):
            check_rule(rule)
        await self._documents.put(call.target.bucket, document)
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Encrypt only what asks for it."""
        await self._documents.delete(call.target.bucket)
        return None


def check_rule(rule: Document) -> None:
    """
    Raises:
        S3Error: MalformedXML, InvalidArgument.
        UnsupportedFeature: S3 knows it, and this server does not.
    """
    blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType", ())
    if any(kind != "NONE" for kind in blocked):
        raise UnsupportedFeature("no kind of encryption can be blocked here")
    default = rule.get("ApplyServerSideEncryptionByDefault")
    if default is None:
        raise malformed("a Rule has an ApplyServerSideEncryptionByDefault")
    algorithm = default.get("SSEAlgorithm")
    if algorithm in _ELSEWHERE:
        raise UnsupportedFeature(f"the encryption {algorithm} is not there")
    if algorithm not in (Cipher.S3.value, Cipher.KMS.value):
        raise malformed(f"SSEAlgorithm is {Cipher.S3.value} or {Cipher.KMS.value}")
    if default.get("KMSMasterKeyID") and algorithm != Cipher.KMS.value:
        raise wrong_argument(
            f"a KMSMasterKeyID goes with the SSEAlgorithm {Cipher.KMS.value} alone",
            "KMSMasterKeyID",
            default["KMSMasterKeyID"],
        )
