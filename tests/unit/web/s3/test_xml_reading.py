"""Documents of requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.web.errors import S3Error
from godos.web.s3.description import operations, service
from godos.web.s3.xml_reading import MAX_DEPTH, MAX_ELEMENTS

XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def read(name: str, raw: str | bytes) -> dict[str, Any]:
    return operations()[name].read_body(raw.encode("utf-8") if isinstance(raw, str) else raw)


def fault(name: str, raw: str | bytes) -> str:
    with pytest.raises(S3Error) as caught:
        read(name, raw)
    return caught.value.code


@pytest.mark.parametrize("namespace", ["", XMLNS, ' xmlns="urn:other"'])
def test_a_document(namespace: str) -> None:
    """Clients send S3's namespace or none, or another: only the names count."""
    raw = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Delete{namespace}>\n'
        "  <Quiet>true</Quiet><!-- quietly -->"
        "  <Object><Key>a&amp;&#13;\nb</Key><VersionId>null</VersionId><Size>5</Size></Object>"
        "  <Object><Key><![CDATA[<é>]]></Key></Object>\n</Delete>\n"
    )
    assert read("DeleteObjects", raw) == {
        "Delete": {
            "Quiet": True,
            "Objects": [
                {"Key": "a&\r\nb", "VersionId": "null", "Size": 5},
                {"Key": "<é>"},
            ],
        }
    }


def test_prefixes() -> None:
    """A namespace may be written with a prefix."""
    raw = '<s3:Delete xmlns:s3="urn:s3"><s3:Object><s3:Key>a</s3:Key></s3:Object></s3:Delete>'
    assert read("DeleteObjects", raw) == {"Delete": {"Objects": [{"Key": "a"}]}}


def test_attributes() -> None:
    """The type of a grantee is an attribute, under any prefix."""
    grantee = '<Grantee xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="Group">'
    raw = (
        "<AccessControlPolicy><AccessControlList><Grant>"
        f"{grantee}<URI>u</URI></Grantee><Permission>READ</Permission>"
        "</Grant></AccessControlList></AccessControlPolicy>"
    )
    grants = read("PutBucketAcl", raw)["AccessControlPolicy"]["Grants"]
    assert grants == [{"Grantee": {"Type": "Group", "URI": "u"}, "Permission": "READ"}]


def test_unknown_elements_are_ignored() -> None:
    """With all that is in them, also where it has names that are known elsewhere."""
    raw = (
        "<Tagging><New><TagSet><Tag/></TagSet></New><TagSet>"
        "<Tag><Key>a<Key>no</Key></Key><Value>b</Value><New/></Tag><Other/>"
        "</TagSet></Tagging>"
    )
    assert read("PutObjectTagging", raw) == {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}


def test_empty_lists() -> None:
    """A list with tags of its own can be there and empty."""
    assert read("PutObjectTagging", "<Tagging><TagSet/></Tagging>") == {"Tagging": {"TagSet": []}}


def test_no_body() -> None:
    """Some operations can do without a document, as an ACL may be in the headers."""
    assert read("PutBucketAcl", b"") == {}
    assert read("CreateBucket", b"") == {}
    assert fault("PutBucketVersioning", b"") == "MissingRequestBodyError"
    assert fault("PutBucketPolicy", b"") == "MissingRequestBodyError"


def test_text_is_taken_as_it_is() -> None:
    """A policy is no XML."""
    assert operations()["PutBucketPolicy"].has_xml_body
    assert read("PutBucketPolicy", '{"a": "é"}') == {"Policy": '{"a": "é"}'}


@pytest.mark.parametrize(
    "raw",
    [
        "<Tagging>",
        "Tagging",
        "<Tagging><TagSet></Tagging></TagSet>",
        "<Tagging><TagSet/></Tagging><Tagging/>",
        "<Other><TagSet/></Other>",  # another root
        "<Tagging/>",  # what S3 requires is not there
        "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        "<Tagging><TagSet/><TagSet/></Tagging>",
        "<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value/></Tag></TagSet></Tagging>",
        "<a:Tagging><TagSet/></a:Tagging>",  # a prefix that means nothing
        "<Tagging><TagSet><Tag><Key>\x08</Key><Value/></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>\xff</Key><Value/></Tag></TagSet></Tagging>",
        '<?xml version="1.0" encoding="UTF-16"?><Tagging><TagSet/>',
        # What nobody needs, and others use to break in:
        "<!DOCTYPE Tagging><Tagging><TagSet/></Tagging>",
        '<!DOCTYPE Tagging [<!ENTITY a "b">]><Tagging><TagSet/></Tagging>',
        '<!DOCTYPE T [<!ENTITY a SYSTEM "file:///etc/passwd">]><Tagging>&a;</Tagging>',
        '<?xml-stylesheet href="a"?><Tagging><TagSet/></Tagging>',
        "<Tagging><?php a?><TagSet/></Tagging>",
        "<Tagging>&a;<TagSet/></Tagging>",
    ],
)
def test_documents_that_are_refused(raw: str | bytes) -> None:
    """Not well-formed, not of S3's form, or with a DOCTYPE, entities or instructions."""
    assert fault("PutObjectTagging", raw) == "MalformedXML"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("DeleteObjects", "<Delete><Quiet>perhaps</Quiet><Object><Key/></Object></Delete>"),
        ("DeleteObjects", "<Delete><Object><Key/><Size>1.5</Size></Object></Delete>"),
        (
            "CompleteMultipartUpload",
            "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part>"
            "</CompleteMultipartUpload>",
        ),
        (
            "PutObjectRetention",
            "<Retention><RetainUntilDate>2024-02-30T00:00:00Z</RetainUntilDate></Retention>",
        ),
    ],
)
def test_text_of_the_wrong_type(name: str, raw: str) -> None:
    """Numbers, booleans and dates that are none."""
    assert fault(name, raw) == "MalformedXML"


def test_an_acl_has_a_code_of_its_own() -> None:
    """S3 tells of one that is no good with another code."""
    assert fault("PutObjectAcl", "<AccessControlPolicy>") == "MalformedACLError"


def test_depth() -> None:
    """A document that is deeper than any of S3's is refused, known or not."""
    deep = "<x>" * (MAX_DEPTH - 2), "</x>" * (MAX_DEPTH - 2)
    assert read("PutBucketVersioning", _versioning(*deep)) == {"VersioningConfiguration": {}}
    deeper = "<x>" * MAX_DEPTH, "</x>" * MAX_DEPTH
    assert fault("PutBucketVersioning", _versioning(*deeper)) == "MalformedXML"


def _versioning(opening: str, closing: str) -> str:
    return f"<VersioningConfiguration>{opening}{closing}</VersioningConfiguration>"


def test_size() -> None:
    """Neither many bytes nor many elements are taken."""
    many = "<a/>" * MAX_ELEMENTS
    raw = f"<CompleteMultipartUpload>{many}</CompleteMultipartUpload>"
    assert fault("CompleteMultipartUpload", raw) == "MalformedXML"
    long = _versioning("<a>", "</a>" + " " * operations()["PutBucketVersioning"].body_limit)
    assert fault("PutBucketVersioning", long) == "MaxMessageLengthExceeded"


def test_all_parts_of_an_upload_fit() -> None:
    """10 000 parts with their checksums, written with room between the lines."""
    part = (
        "  <Part>\n    <ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag>\n    <PartNumber>"
        "{}</PartNumber>\n    <ChecksumSHA256>"
        + "A" * 44
        + "</ChecksumSHA256>\n    <ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>\n  </Part>\n"
    )
    parts = "".join(part.format(number) for number in range(1, 10_001))
    raw = f"<CompleteMultipartUpload{XMLNS}>\n{parts}</CompleteMultipartUpload>"
    upload = read("CompleteMultipartUpload", raw)["MultipartUpload"]
    assert [each["PartNumber"] for each in upload["Parts"]] == list(range(1, 10_001))


NAMES = sorted(name for name, operation in operations().items() if operation.has_xml_body)
WORDS = st.sampled_from(
    [
        *"<>/&;'\" =",
        "<Delete>",
        "</Delete>",
        "<Object>",
        "<Key>",
        "</Key>",
        "<Tag/>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?",
        "?>",
        "&#8;",
        "&#x110000;",
        "<!DOCTYPE a [",
        "<!ENTITY b 'c'>",
        "]>",
        "xsi:type",
        "xmlns=",
        "'urn:a'",
        "5",
        "true",
    ]
)


@given(st.sampled_from(NAMES), st.one_of(st.binary(), st.lists(WORDS).map("".join)))
def test_nothing_but_errors_of_s3(name: str, raw: str | bytes) -> None:
    """Whatever a body holds, it is read or refused with a reason."""
    operation = operations()[name]
    try:
        request = read(name, raw)
    except S3Error:
        return
    assert set(request) <= {operation.payload_member}


@given(st.sampled_from(NAMES), st.lists(WORDS).map("".join))
def test_nothing_but_errors_of_s3_within_a_root(name: str, inner: str) -> None:
    """As above, where the root is the right one."""
    shape = service().operation_model(name).input_shape
    member = operations()[name].payload_member
    root = shape.members[member].serialization.get("name", member)
    try:
        read(name, f"<{root}>{inner}</{root}>")
    except S3Error as error:
        assert error.code in ("MalformedXML", "MalformedACLError")
