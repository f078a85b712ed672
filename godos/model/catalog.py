"""What the rest of godos may ask of the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from godos.model.blobs import Blob, Placed
from godos.model.members import ApiServer, Cluster, Node, NodeState
from godos.model.multipart import MultipartUpload, NewPart, Part, PartsPage, UploadsPage
from godos.model.policy import Policy
from godos.model.upkeep import Census, Job, Stray
from godos.model.users import User
from godos.model.versions import (
    UNCONDITIONAL,
    Attributes,
    Bucket,
    Deleted,
    Listing,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)

OUTBOX_SHARDS = 8  # of the outbox; all events of one key are in one, in order


@frozen
class Removal:
    """A condemned blob whose fragments are to be deleted before its rows are."""

    blob: Blob
    work: bytes  # the place of its collect row


@frozen
class Waste:
    """
    A blob, or the list of `parts` of an object, that lost a reference and is looked at after
    its grace.

    It stays when it is `referred` to by something else.  `size` is the blob's in bytes and
    `nodes` are those of its layout.  `condemned`: its removal has begun.  `again`: it was
    shared, and is kept for one more grace after the first.
    """

    id: str
    since: float  # seconds since the epoch
    referred: bool
    parts: bool = False
    size: int = 0
    condemned: bool = False
    nodes: tuple[str, ...] = ()
    again: bool = False


@frozen
class WastePage:
    """`cursor` goes on after it, None after the last; a page may be empty."""

    waste: Sequence[Waste]
    cursor: str | None


@frozen
class RepairWork:
    """A blob that was left, or found, below target; `rev` changes with every new reason."""

    incarnation: str
    since: float  # seconds since the epoch
    reason: str
    rev: str = ""


@frozen
class BlobPage:
    """Blob rows in no order; `cursor` goes on after them, None after the last."""

    blobs: Sequence[Blob]
    cursor: str | None


@frozen
class Event:
    """
    Something that happened to an object and that somebody is to be told.

    `document` is what the message needs (bucket, key, size, etag, version id, name …);
    `place` is the row's place in the outbox, in the order of delivery.
    """

    place: bytes
    shard: int
    document: Mapping[str, Any]


class ICatalog(Interface):
    """
    The one durable record of which object versions exist.

    A version is visible from the moment `commit` fires, and to every later read of any
    server.  Everything may fail with CatalogUnavailable.
    """

    # -- the cluster --------------------------------------------------------------------
    def cluster() -> Deferred[Cluster]:
        """The META row.  Fails with CatalogEmpty when it was never initialised."""

    def initialise(policy: str) -> Deferred[Cluster]:
        """Write the META row unless there is one, and answer what stands then."""

    # -- buckets ------------------------------------------------------------------------
    def create_bucket(name: str, owner: str, object_lock: bool = False) -> Deferred[Bucket]:
        """Fails: BucketAlreadyOwnedByYou, BucketAlreadyExists."""

    def bucket(name: str) -> Deferred[Bucket]:
        """May be up to 2 s old.  Fails: NoSuchBucket."""

    def buckets() -> Deferred[Sequence[Bucket]]:
        """All buckets in the order of their names."""

    def delete_bucket(name: str) -> Deferred[None]:
        """Fails: NoSuchBucket, BucketNotEmpty.  No object can appear in it meanwhile."""

    def set_versioning(name: str, versioning: Versioning) -> Deferred[Bucket]:
        """Fails: NoSuchBucket, InvalidRequest (back to OFF), InvalidBucketState (locked)."""

    def enable_object_lock(name: str) -> Deferred[Bucket]:
        """Fails: NoSuchBucket, InvalidBucketState (versioning is not on)."""

    def settings(bucket: Bucket) -> Deferred[Mapping[str, Any]]:
        """All documents that configure a bucket, by name.  May be up to 2 s old."""

    def set_setting(bucket: Bucket, setting: str, document: Any) -> Deferred[None]:
        """Replace one (JSON-able, up to 350 KB); None removes it.  Fails: NoSuchBucket."""

    # -- objects ------------------------------------------------------------------------
    def head(bucket: Bucket, key: str) -> Deferred[ObjectVersion]:
        """
        The latest version.

        Fails:
            NoSuchKey: there is none, or it is a delete marker (`delete_marker` names it).
        """

    def version(bucket: Bucket, key: str, version_id: str) -> Deferred[ObjectVersion]:
        """That version, which may be a delete marker.  Fails: NoSuchVersion."""

    def commit(
        bucket: Bucket, key: str, new: NewVersion, condition: WriteCondition = UNCONDITIONAL
    ) -> Deferred[ObjectVersion]:
        """
        Make `new` the latest version: the commit point of an upload.

        Head, history, reference, blob row, collect row of what it displaced and, for a
        new blob that is below target or that `new.repair` speaks of, its repair row are
        one transaction.

        Fails:
            PreconditionFailed, NoSuchKey: the condition did not hold; nothing was changed.
            NoSuchBucket: it is being deleted; nothing was changed.
            Conflict: others kept winning; nothing was changed.
            ObjectLocked: it would replace a null version that is locked.
            CommitUnknown: it may have happened; the caller removes nothing.
        """

    def delete(
        bucket: Bucket,
        key: str,
        version_id: str | None = None,
        condition: WriteCondition = UNCONDITIONAL,
        bypass_governance: bool = False,
        expired: bool = False,
    ) -> Deferred[Deleted]:
        """
        Without `version_id` do what the bucket's versioning asks: remove the object or put
        a delete marker on top.  With it remove that version for good.  A missing key or
        version is no error, whatever the condition, which is of the version that goes or
        is hidden; then no marker is made under a condition.  `expired`: a rule wants it
        gone, and whoever is told of it is told so.

        Fails: as `commit`; ObjectLocked: its retention or legal hold forbids it.
        """

    def amend(
        bucket: Bucket,
        key: str,
        version_id: str | None,
        change: Callable[[ObjectVersion], Attributes],
        event: str = "",
    ) -> Deferred[ObjectVersion]:
        """
        Replace the attributes of a version (None: the latest) by compare-and-set.

        `change` is called with the version as it stands, again when another was faster,
        and may raise to change nothing.  Fails: NoSuchKey, NoSuchVersion, MethodNotAllowed
        (a delete marker), Conflict.
        """

    def list_objects(
        bucket: Bucket, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Deferred[Listing]:
        """Latest versions, no delete markers, keys > `after`; common prefixes skipped whole."""

    def list_versions(
        bucket: Bucket,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        after_version: str = "",
        limit: int = 1000,
    ) -> Deferred[Listing]:
        """
        All versions, keys ascending and newest first, starting after (`after`,
        `after_version`); with an empty `after_version`, after all versions of `after`.
        `Listing.next` is the last key; its version id is that of the last version listed.
        """

    # -- uploads in parts ---------------------------------------------------------------
    def create_upload(bucket: Bucket, upload: MultipartUpload) -> Deferred[MultipartUpload]:
        """Write the row of an upload that begins.  Fails: NoSuchBucket."""

    def upload(bucket: Bucket, key: str, upload_id: str) -> Deferred[MultipartUpload]:
        """Fails: NoSuchUpload."""

    def put_part(upload: MultipartUpload, bucket: Bucket, new: NewPart) -> Deferred[Part]:
        """
        Make a part the one of its number: part row, reference, blob row, and the collect
        row of what it displaced are one transaction.  Fails: NoSuchUpload (also when it
        was completed or aborted meanwhile), CommitUnknown, Conflict.
        """

    def parts(upload: MultipartUpload, after: int = 0, limit: int = 1000) -> Deferred[PartsPage]:
        """Parts so far with a number > `after`."""

    def complete(
        bucket: Bucket,
        upload: MultipartUpload,
        parts: Sequence[Part],
        new: NewVersion,
        condition: WriteCondition = UNCONDITIONAL,
    ) -> Deferred[ObjectVersion]:
        """
        Make the object of these parts, which stand: write the manifest's pages
        (`new.manifest` is its fresh id), then head, upload open -> completed and the
        reference to the manifest in one transaction.  Parts that were not chosen are
        collected.  A completed upload answers its result, for seven days.  Fails: as
        `commit`; NoSuchUpload; InvalidPart: one of them was sent again meanwhile.
        """

    def abort(bucket: Bucket, upload: MultipartUpload) -> Deferred[None]:
        """Remove an open upload and its parts' rows; bytes are collected.  NoSuchUpload."""

    def uploads(
        bucket: Bucket,
        prefix: str = "",
        delimiter: str = "",
        after: tuple[str, str] = ("", ""),
        limit: int = 1000,
    ) -> Deferred[UploadsPage]:
        """Open uploads after (key, upload id); with an empty id, after all of the key."""

    def manifest(manifest: str) -> Deferred[Sequence[Part]]:
        """All parts of an object, in order.  Immutable.  Fails: BytesNotFound."""

    # -- users ---------------------------------------------------------------------------
    def users() -> Deferred[Sequence[User]]:
        """All users in the catalog, in the order of their ids."""

    def put_user(user: User) -> Deferred[User]:
        """Write a user by CAS on `rev` ("": a new one).  Fails: UserExists, Conflict."""

    def remove_user(user: User) -> Deferred[None]:
        """By CAS on rev.  Fails: Conflict."""

    # -- the outbox ----------------------------------------------------------------------
    def events(shard: int, limit: int = 100, after: bytes = b"") -> Deferred[Sequence[Event]]:
        """
        The oldest events of one of `model.catalog.OUTBOX_SHARDS` shards, in order.

        Args:
            after: the place of an event; only those behind it are wanted.
        """

    def told(event: Event, configurations: Sequence[str]) -> Deferred[None]:
        """
        Note in the event's document, as `told`, the ids of those who need to hear no more of
        it.  One that was removed meanwhile stays so.
        """

    def delivered(events: Sequence[Event]) -> Deferred[None]:
        """Remove them.  Idempotent."""

    # -- blobs --------------------------------------------------------------------------
    def blob(incarnation: str) -> Deferred[Blob | None]:
        """The blob row, or None."""

    def correct_layout(blob: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        """
        Replace the layout by compare-and-set on `blob.rev`; None when another was faster.

        A result below target leaves a repair row in the same transaction.
        """

    def converted(blob: Blob, policy: Policy, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        """
        Replace policy and layout by compare-and-set on `blob.rev`; None when another was
        faster.  The fragments of `layout` are of another generation than the blob's.
        """

    def content(size: int, sha256: str, codec: str, policy: Policy) -> Deferred[Blob | None]:
        """
        A live blob that the content index names for these stored bytes, or None.

        What it says is checked against the blob's row.  Each commit of a new blob for which
        `shareable` holds puts it into the index in the same transaction.
        """

    def blobs(cursor: str | None = None, limit: int = 1000) -> Deferred[BlobPage]:
        """
        All blob rows, page by page, as they are when their page is read; pages may be
        short or empty.  A row that is there all the time is seen at least once.
        """

    def want_repair(incarnation: str, reason: str) -> Deferred[None]:
        """Leave a repair row, unless the blob's own is gone.  Idempotent."""

    def repairs(limit: int = 1000) -> Deferred[Sequence[RepairWork]]:
        """What waits for repair, the longest waiting of what is read first."""

    def repaired(work: RepairWork) -> Deferred[bool]:
        """
        The blob's fragments were read back and are at target: remove the repair row, unless
        it was written anew since `work` was read.  Tells whether it is gone.
        """

    def waiting_repairs() -> Deferred[int]:
        """How many repair rows there are."""

    def removals(grace: float, limit: int = 100) -> Deferred[Sequence[Removal]]:
        """
        Condemn unreferenced blobs whose collect row is older than `grace` seconds, and
        answer them and those that were condemned before.  Safe to run anywhere, at any
        time, twice at once.  It also clears what ended uploads left, and ends those to
        which nothing was added for seven days.
        """

    def removed(removal: Removal) -> Deferred[None]:
        """The fragments are gone: delete the rows."""

    def waste(cursor: str | None = None, limit: int = 1000) -> Deferred[WastePage]:
        """What `removals` will look at, and when; changes nothing."""

    # -- upkeep ----------------------------------------------------------------------------
    def census() -> Deferred[Census | None]:
        """The last census that finished, or None."""

    def put_census(census: Census) -> Deferred[None]:
        """Keep it, unless one that started later is kept already."""

    def jobs() -> Deferred[Sequence[Job]]:
        """All jobs, running and ended, in the order in which they started."""

    def put_job(job: Job) -> Deferred[Job | None]:
        """
        Write a job by compare-and-set on `rev` ("": a new one); None when somebody else wrote
        it meanwhile.  A new one takes the place of an ended one of its kind and node.

        Fails: Conflict: one of its kind and node is running.
        """

    def strays(node: str, after: str = "", limit: int = 1000) -> Deferred[Sequence[Stray]]:
        """What is in quarantine on a node, in the order of names, after the name `after`."""

    def put_stray(stray: Stray) -> Deferred[None]:
        """Into quarantine; one that is there keeps its `since`."""

    def remove_stray(stray: Stray) -> Deferred[None]:
        """Out of quarantine.  Idempotent."""

    def confirm_epoch(epoch: int) -> Deferred[Cluster]:
        """
        An operator allows strays to be removed again, after an import or a rebuild.

        Fails: InvalidRequest: `epoch` is not the cluster's.
        """

    # -- members ------------------------------------------------------------------------
    def claim_node(node: Node) -> Deferred[Node]:
        """
        Write the NODE row with the caller's boot id, whatever stood there.

        A `failed` state that stands is kept.  Its rev goes with every later write.
        """

    def update_node(node: Node) -> Deferred[Node | None]:
        """Write the row by CAS on `node.rev`; None: somebody else wrote it (look who)."""

    def set_node_state(node_id: str, state: NodeState, reason: str = "") -> Deferred[Node]:
        """
        An operator lets a node drain, or takes that back; answers the row that stands then.

        Fails: InvalidRequest: there is no such node, or its disk failed: then only
        `godos disk check` lets it back.
        """

    def node(node_id: str) -> Deferred[Node | None]:
        """One NODE row."""

    def nodes() -> Deferred[Sequence[Node]]:
        """All registered nodes, in the order of their ids."""

    def remove_node(node: Node) -> Deferred[None]:
        """Forget a node (by CAS on rev; Conflict)."""

    def beat_api(server: ApiServer) -> Deferred[None]:
        """Write an API server's row."""

    def apis() -> Deferred[Sequence[ApiServer]]:
        """All API servers that ever beat and were not removed."""

    def remove_api(server_id: str) -> Deferred[None]:
        """Forget an API server.  Idempotent."""

    # -- leases -------------------------------------------------------------------------
    def try_lease(what: str, holder: str, patience: float) -> Deferred[bool]:
        """
        Take or renew the lease `what`; tells whether `holder` has it now.

        Another's lease is taken over once its row has not changed for `patience` seconds
        of this process's monotonic clock, counted from when this process first saw it so.
        """
