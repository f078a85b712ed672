"""What a client said of its body, and whether the body is so."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from godos.model.errors import BadDigest, PayloadMismatch
from godos.model.objects import PutRequest
from godos.transfer.checksums import DEFAULT, encoded
from godos.transfer.digests import Digests


@frozen
class Announced:
    """
    The digests of one upload: which to compute, which to compare, which to keep.

    Args:
        needed: what the store itself needs of the body: `md5`, `sha256`.
    """

    request: PutRequest
    needed: frozenset[str] = frozenset()

    @property
    def kept(self) -> frozenset[str]:
        """The checksums that stay with the object: what the client named, else S3's default."""
        request = self.request
        if not request.checksums:
            return frozenset((request.checksum or DEFAULT,))
        return frozenset((*request.checksums, request.checksum or next(iter(request.checksums))))

    @property
    def computed(self) -> frozenset[str]:
        """All that has to be known of the body when it has passed."""
        request = self.request
        wanted = self.needed | self.kept
        if request.md5 is not None:
            wanted |= {"md5"}
        if request.sha256 is not None or request.payload_sha256 is not None:
            wanted |= {"sha256"}
        return wanted

    def check(self, digests: Digests) -> None:
        """
        Compare what arrived, all of it, with what was said of it before and after.

        Raises:
            BadDigest: it is not so, or what was to be said after it is missing.
            PayloadMismatch: it is not what the signature covers.
        """
        request = self.request
        if request.payload_sha256 not in (None, _if_computed(digests, "sha256")):
            raise PayloadMismatch(
                "the body does not have the SHA-256 that the signature covers; nothing was stored"
            )
        _compare("Content-MD5", "md5", request.md5, digests)
        _compare("SHA-256", "sha256", request.sha256, digests)
        for algorithm, told in request.checksums.items():
            _compare(algorithm.upper(), algorithm, told, digests)
        if request.trailing is not None:
            self._check_trailing(request.trailing(), digests)

    def _check_trailing(self, told: Mapping[str, bytes], digests: Digests) -> None:
        wanted = self.request.checksum
        if wanted and wanted not in told and wanted not in self.request.checksums:
            raise BadDigest(
                f"the {wanted.upper()} that was to come after the body is missing; "
                "nothing was stored"
            )
        for algorithm, digest in told.items():
            if algorithm not in digests:
                raise BadDigest(
                    f"a {algorithm.upper()} came after the body without being announced before "
                    "it, and so was not compared; nothing was stored"
                )
            _compare(algorithm.upper(), algorithm, digest, digests)

    def checksums(self, digests: Digests) -> dict[str, str]:
        """What is kept, in base64."""
        return {algorithm: encoded(digests.raw(algorithm)) for algorithm in sorted(self.kept)}


def _if_computed(digests: Digests, algorithm: str) -> bytes | None:
    """One of the digests, if it was computed."""
    return digests.raw(algorithm) if algorithm in digests else None


def _compare(name: str, algorithm: str, told: bytes | None, digests: Digests) -> None:
    if told is None:
        return
    found = digests.raw(algorithm)
    if told != found:
        raise BadDigest(
            f"the body's {name} is {found.hex()}, not {told.hex()} as announced; nothing was stored"
        )
