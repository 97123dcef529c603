"""The access data of red-connector-xnat-http: the tables of the documents, and what XNAT makes of IDs."""

import json
from typing import Any

import jsonschema
import pytest

from connectors import registry
from connectors.access import describe
from connectors.errors import ConfigError
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Verb
from tests.support.documents import Documents

NAME = "red-connector-xnat-http"
CONNECTOR = registry.load(NAME)
VERBS = (RECEIVE_FILE, SEND_FILE, RECEIVE_DIR, SEND_DIR)
FULL: dict[str, Any] = {
    "baseUrl": "https://example.com/xnat",
    "project": "project",
    "subject": "subject",
    "session": "session",
    "containerType": "scans",
    "container": "container",
    "resource": "resource",
    "file": "scan.dat",
    "auth": {"username": "username", "password": "password"},
    "disableSSLVerification": False,
}


def less(*keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in (FULL | more).items() if key not in keys}


def faults(documents: Documents, access: Any, verb: Verb = RECEIVE_FILE) -> str:
    with pytest.raises(ConfigError) as caught:
        documents.access(json.dumps(access), verb, connector=CONNECTOR)
    return caught.value.message


def in_an_editor(access: Any, verb: Verb) -> bool:
    schema = describe.json_schema(NAME, verb, CONNECTOR.SCHEMAS[verb])
    return not list(jsonschema.Draft7Validator(schema).iter_errors(access))


SOUND = [
    (FULL, VERBS),
    (less("disableSSLVerification"), VERBS),
    (less("containerType", "container"), VERBS),
    (less("containerType", "container", "session"), VERBS),
    (less("containerType", "container", "session", "subject"), VERBS),
    (less("file"), (RECEIVE_DIR, SEND_DIR)),
    (less(file="folder/"), (RECEIVE_DIR, SEND_DIR)),
    (less(file="/a/b c#?%.dat"), VERBS),
    (less("resource"), (SEND_FILE, SEND_DIR)),
    (less(overwriteExistingFile=True, xsiType="xnat:mrScanData"), (SEND_FILE, SEND_DIR)),
    (less(format="NIFTI", content="RAW", tags="a,b"), (SEND_FILE, SEND_DIR)),
    (less(containerType="Assessors", direction="IN"), VERBS),
    (less(container="1/2"), VERBS),
    (less(baseUrl="http://xnat:8080/"), VERBS),
    ({**less("auth"), "_auth": {"username": "a", "_password": "b"}}, VERBS),
]


@pytest.mark.parametrize(("access", "verb"), [(access, verb) for access, verbs in SOUND for verb in verbs])
def test_what_the_tables_allow_is_taken(documents: Documents, access: dict[str, Any], verb: Verb) -> None:
    taken = documents.access(json.dumps(access), verb, connector=CONNECTOR)
    assert taken["disableSSLVerification"] is False
    if verb.sends:
        assert taken["overwriteExistingFile"] is access.get("overwriteExistingFile", False)
        assert taken["resource"] == access.get("resource", "OTHER")
    assert in_an_editor(access, verb)


UNSOUND = [
    (less("baseUrl"), "baseUrl", VERBS),
    (less("project"), "project", VERBS),
    (less("subject"), "subject", VERBS),
    (less("session"), "session", VERBS),
    (less("containerType"), "containerType", VERBS),
    (less("container"), "container", VERBS),
    (less("resource"), "resource", (RECEIVE_FILE, RECEIVE_DIR)),
    (less("file"), "file", (RECEIVE_FILE, SEND_FILE)),
    (less("auth"), "auth", VERBS),
    (less(auth={"username": "a"}), "auth.password", VERBS),
    (less(auth={"password": "a"}), "auth.username", VERBS),
    (less(overwriteExistingFile=True), "overwriteExistingFile", (RECEIVE_FILE, RECEIVE_DIR)),
    (less(xsiType="xnat:mrScanData"), "xsiType", (RECEIVE_FILE, RECEIVE_DIR)),
    (less("containerType", "container", xsiType="xnat:x"), "xsiType", (SEND_FILE, SEND_DIR)),
    (less("containerType", "container", direction="in"), "direction", VERBS),
    (less(containerType="images"), "containerType", VERBS),
    (less(baseUrl="ftp://h/"), "baseUrl", VERBS),
    (less(baseUrl="https://a:b@h/"), "baseUrl", VERBS),
    (less(baseUrl="https://h/?a=b"), "baseUrl", VERBS),
]


@pytest.mark.parametrize(
    ("access", "key", "verb"), [(access, key, verb) for access, key, verbs in UNSOUND for verb in verbs]
)
def test_what_they_do_not_allow_is_refused_here_and_in_an_editor(
    documents: Documents, access: dict[str, Any], key: str, verb: Verb
) -> None:
    assert key in faults(documents, access, verb)
    assert not in_an_editor(access, verb)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("baseUrl", "https://h/xnat/data/projects", "/data"),
        ("baseUrl", "https://h/REST", "/data"),
        ("baseUrl", "https://h/../x", "alone"),
        ("baseUrl", "https://h/%2e%2E/x", "alone"),
        ("baseUrl", "https://h/a\\..\\x", "alone"),
        ("baseUrl", "https://h/a%5c..%5cx", "alone"),
        ("baseUrl", "https://h/a;b", "alone"),
        ("project", "..", "lead elsewhere"),
        ("project", "", "empty"),
        ("subject", "a/b", "/"),
        ("session", "a,b", "comma"),
        ("session", " a", "blank"),
        ("container", "1,2", "comma"),
        ("container", "*", "all"),
        ("container", "ALL", "all"),
        ("container", "1/../2", "lead elsewhere"),
        ("container", "a;b", "cuts"),
        ("container", "", "empty"),
        ("container", "/", "drop"),
        ("container", "/1", "drop"),
        ("container", "1/", "drop"),
        ("container", "a//b", "drop"),
        ("container", "a[SLASH]b", "write /"),
        ("container", "a\nb", "control"),
        ("resource", "4711", "number"),
        ("resource", "a/b", "/"),
        ("resource", ".", "lead elsewhere"),
        ("resource", "ALL", "all"),
        ("file", "../x", "lead elsewhere"),
        ("file", "a/./x", "lead elsewhere"),
        ("file", "a//x", "empty"),
        ("file", "a/", "folder"),
        ("file", "/", "folder"),
        ("file", "a\nb", "control"),
    ],
)
def test_what_xnat_would_take_for_something_else_is_refused_with_the_reason(
    documents: Documents, key: str, value: str, reason: str
) -> None:
    message = faults(documents, less(**{key: value}))
    assert key in message
    assert reason in message


@pytest.mark.parametrize(
    ("kind", "xsi_type"),
    [
        ("scans", "foo"),
        ("scans", "xnat:nonsense"),
        ("scans", "xnat:qcAssessmentData"),
        ("scans", "xnat:mrSessionData"),
        ("assessors", "foo"),
        ("assessors", "xnat:mrScanData"),
        ("assessors", "xnat:petSessionData"),
        ("reconstructions", "xnat:mrScanData"),
        ("reconstructions", "x y"),
    ],
)
def test_a_type_that_is_surely_none_of_the_kind_is_refused_and_one_that_fits_is_named(
    documents: Documents, kind: str, xsi_type: str
) -> None:
    fits = {"scans": "ScanData", "assessors": "AssessmentData", "reconstructions": "reconstructedImageData"}
    message = faults(documents, less(containerType=kind, xsiType=xsi_type), SEND_FILE)
    assert "xsiType" in message
    assert fits[kind] in message


@pytest.mark.parametrize(
    ("kind", "xsi_type"),
    [
        ("scans", "xnat:otherDicomScanData"),
        ("scans", "site:anything"),
        ("assessors", "xnat:imageAssessorData"),
        ("assessors", "xnat:qcManualAssessorData"),
        ("assessors", "icr:roiCollectionData"),
        ("reconstructions", "xnat:reconstructedImageData"),
    ],
)
def test_a_type_that_may_be_one_of_the_kind_is_taken(documents: Documents, kind: str, xsi_type: str) -> None:
    access = less(containerType=kind, xsiType=xsi_type)
    assert documents.access(json.dumps(access), SEND_FILE, connector=CONNECTOR)["xsiType"] == xsi_type


@pytest.mark.parametrize("verb", [SEND_FILE, SEND_DIR])
def test_the_name_of_xnats_own_list_is_no_place_to_send_to(documents: Documents, verb: Verb) -> None:
    assert "file: must not be R_catalog.xml" in faults(
        documents, less(resource="R", file="R_catalog.xml"), verb
    )
    documents.access(json.dumps(less(resource="R", file="sub/R_catalog.xml")), verb, connector=CONNECTOR)


def test_only_scans_may_have_odd_ids(documents: Documents) -> None:
    for kind, container in (("assessors", "a.b"), ("assessors", "a/b"), ("reconstructions", "a/b")):
        assert "container" in faults(documents, less(containerType=kind, container=container))
    documents.access(json.dumps(less(container="a.b (1)")), RECEIVE_FILE, connector=CONNECTOR)
    assert "direction" in faults(documents, less(direction="in"))


def test_all_faults_come_at_once_and_hold_no_secret(documents: Documents) -> None:
    access = less("subject", baseUrl="https://me:topsecret@h/", resource="1", auth={"username": "a:b"})
    message = faults(documents, access)
    for key in ("baseUrl", "subject", "resource", "auth.username", "auth.password"):
        assert key in message
    assert "topsecret" not in message


@pytest.mark.parametrize("verb", [RECEIVE_FILE, SEND_FILE])
@pytest.mark.parametrize("odd", [[], {}, [["scans"]], 1, True, None])
def test_a_kind_of_container_that_is_no_string_is_a_fault_of_the_document(
    documents: Documents, verb: Verb, odd: object
) -> None:
    for other in ({"xsiType": "xnat:mrScanData"}, {"container": "a/b"}, {"direction": "in"}, {}):
        assert "containerType: must be" in faults(documents, less(containerType=odd, **other), verb)
