"""The access data of the HTTP connectors: what is taken, and what is refused with which reason."""

from typing import Any

import pytest

from connectors import http, secrets
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Verb
from connectors.variants import http_json, http_mock_send
from tests.support.documents import Documents, places

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----\n"

DOCUMENTED = """\
command: "red-connector-http"
access:
  url: "http://example.com/files/data.csv"
  method: "GET"
  auth:
    username: "username"
    password: "password"
    method: "BASIC"
  disableSSLVerification: False
"""


def with_url(url: str) -> str:
    return f"url: {url!r}"


@pytest.mark.parametrize("verb", [RECEIVE_FILE, SEND_FILE, RECEIVE_DIR, SEND_DIR])
@pytest.mark.parametrize("connector", [http, http_json, http_mock_send])
def test_the_documented_example_is_taken_as_it_is(documents: Documents, connector: Any, verb: Verb) -> None:
    if verb not in connector.SCHEMAS:
        assert connector is http_json
        return
    text = DOCUMENTED.replace("red-connector-http", connector.EXECUTABLE)
    assert documents.access(text, verb, connector=connector) == {
        "url": "http://example.com/files/data.csv",
        "method": "GET",
        "auth": {"username": "username", "password": "password", "method": "BASIC"},
        "disableSSLVerification": False,
    }


@pytest.mark.parametrize("connector", [http_json, http_mock_send])
def test_the_documented_stub_without_access_data_is_refused_with_the_missing_keys(
    documents: Documents, connector: Any
) -> None:
    text = f'command: "{connector.EXECUTABLE}"\n# refer to HTTP connector for more details\n'
    assert places([documents.fault(text, connector=connector)]) == [("access", 1)]


@pytest.mark.parametrize(
    ("verb", "method"), [(RECEIVE_FILE, "GET"), (RECEIVE_DIR, "GET"), (SEND_FILE, "POST"), (SEND_DIR, "PUT")]
)
def test_the_documented_defaults_are_filled_in(documents: Documents, verb: Verb, method: str) -> None:
    expected = {"url": "http://h/", "method": method, "disableSSLVerification": False}
    assert documents.access(with_url("http://h/"), verb) == expected


@pytest.mark.parametrize("method", ["get", "GET", "Put", "pOST"])
def test_enumerations_are_taken_in_any_letter_case(documents: Documents, method: str) -> None:
    text = f"url: http://h/\nmethod: {method}\nauth: {{method: diGest, username: a, password: b}}"
    access = documents.access(text)
    assert (access["method"], access["auth"]["method"]) == (method.upper(), "DIGEST")


@pytest.mark.parametrize("method", ["POſT", "GETT", "'GET '", "''", "HEAD"])
def test_what_only_looks_like_a_method_is_refused(documents: Documents, method: str) -> None:
    assert documents.fault(f"url: http://h/\nmethod: {method}").message == "must be one of GET, PUT, POST"


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "HTTPS://Example.COM:443/a?b=c#d",
        "http://127.0.0.1:8080/a",
        "http://[::1]:8080/a",
        "http://user_host.local./x",
        "http://bücher.example/größe und mehr.csv",
        "http://me:p%40ss@h/",
        "http://h:/x",
    ],
)
def test_sound_urls_are_taken_as_they_are(documents: Documents, url: str) -> None:
    assert documents.access(with_url(url))["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h/a.csv",
        "ftp://h/a",
        "file:///etc/passwd",
        "http://",
        "http:///a",
        "http://:80/a",
        "http://h:0/",
        "http://h:65536/",
        "http://h:x/",
        "http://h:-1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://a b/",
        "http://h\\@evil/",
        "http://h /x",
        " http://h/",
        "http://h/ ",
        "http://h/\n",
        "http://h/\0",
        "http://h/a\r\nX: y",
        "http://" + "ä" * 80 + "/",
        "javascript:alert(1)",
    ],
)
def test_unsound_urls_are_refused(documents: Documents, url: str) -> None:
    import json

    fault = documents.fault(json.dumps({"url": url}))
    assert fault.path == "url"
    assert "must" in fault.message


@pytest.mark.parametrize(
    ("auth", "path", "message"),
    [
        ("{}", "auth.username", "required by the method BASIC: a string"),
        ("{username: a}", "auth.password", "required by the method BASIC: a string"),
        ("{method: digest, password: b}", "auth.username", "required by the method DIGEST: a string"),
        ("{method: bearer}", "auth.token", "required by the method BEARER: a string"),
        (
            "{method: BEARER, token: a, username: b}",
            "auth.username",
            "not used by the method BEARER: leave it out, or use BASIC or DIGEST",
        ),
        (
            "{method: BEARER, token: a, password: b}",
            "auth.password",
            "not used by the method BEARER: leave it out, or use BASIC or DIGEST",
        ),
        (
            "{username: a, password: b, token: c}",
            "auth.token",
            "not used by the method BASIC: leave it out, or use BEARER",
        ),
        ("{username: 'a:b', password: c}", "auth.username", "must not contain a colon"),
        (
            '{method: DIGEST, username: "a\\nb", password: c}',
            "auth.username",
            "must not contain control characters",
        ),
        ('{username: a, password: "b\\0"}', "auth.password", "must not contain control characters"),
        ('{method: BEARER, token: "a\\r\\nX: y"}', "auth.token", "must be visible ASCII"),
        ("{method: BEARER, token: ''}", "auth.token", "must be visible ASCII"),
        ("{method: BEARER, token: ä}", "auth.token", "must be visible ASCII"),
    ],
)
def test_auth_must_contain_exactly_the_keys_of_its_method(
    documents: Documents, auth: str, path: str, message: str
) -> None:
    faults = {fault.path: fault.message for fault in documents.faults(f"url: http://h/\nauth: {auth}")}
    assert faults[path].startswith(message)


def test_a_bearer_token_is_taken(documents: Documents) -> None:
    access = documents.access("url: http://h/\nauth: {method: Bearer, token: abc.def-ghi_jkl~mno+/==}")
    assert access["auth"] == {"method": "BEARER", "token": "abc.def-ghi_jkl~mno+/=="}
    assert secrets.redact("Bearer abc.def-ghi_jkl~mno+/==") == "Bearer ********"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("url: http://u:p@h/\nauth: {username: a, password: b}", "url"),
        ("url: http://u@h/\nheaders: {authorization: x}", "headers.authorization"),
        (
            "url: http://h/\nheaders: {Authorization: x}\nauth: {username: a, password: b}",
            "headers.Authorization",
        ),
    ],
)
def test_credentials_in_two_places_are_a_fault(documents: Documents, text: str, path: str) -> None:
    fault = documents.fault(text)
    assert fault.path == path
    assert fault.message.endswith("keep one, best under auth")


def test_headers_are_taken_and_their_values_are_secret(documents: Documents) -> None:
    access = documents.access("url: http://h/\nheaders: {X-Api-Key: hunter22, _X-Other: '', x_y.z: 'a b'}")
    assert access["headers"] == {"X-Api-Key": "hunter22", "X-Other": "", "x_y.z": "a b"}
    assert secrets.redact("X-Api-Key: hunter22") == "X-Api-Key: ********"


@pytest.mark.parametrize(
    ("headers", "path", "message"),
    [
        ("{'': x}", "headers.", "not a valid header name"),
        ("{'a b': x}", "headers.a b", "not a valid header name"),
        ("{'a:': x}", "headers.a:", "not a valid header name"),
        ("{'ä': x}", "headers.ä", "not a valid header name"),
        ('{"a\\r\\nb": x}', "headers.a\\r\\nb", "not a valid header name"),
        ('{a: "x\\r\\ny: z"}', "headers.a", "must be one line"),
        ('{a: "x\\0"}', "headers.a", "must be one line"),
        ("{a: 1}", "headers.a", "must be a string, is an integer: put it in quotes"),
        ("{a: [x]}", "headers.a", "must be a string, is a list"),
        ("{X-A: x, x-a: y}", "headers.x-a", "given twice"),
        *(
            (f"{{{name}: x}}", f"headers.{name}", "set by the connector itself")
            for name in ("Host", "content-length", "Transfer-Encoding", "RANGE", "If-Range", "Connection")
        ),
    ],
)
def test_headers_that_could_break_a_request_are_refused(
    documents: Documents, headers: str, path: str, message: str
) -> None:
    fault = documents.fault(f"url: http://h/\nheaders: {headers}")
    assert fault.path == path
    assert fault.message.startswith(message)


def test_a_client_certificate_is_pem_text_or_a_file(documents: Documents) -> None:
    import json

    path = documents.write(CERTIFICATE + KEY, "client.pem")
    assert documents.access(f"url: https://h/\nclientCertificate: {path}")["clientCertificate"] == path
    inside = {
        "url": "https://h/",
        "clientCertificate": CERTIFICATE,
        "clientKey": KEY,
        "clientKeyPassphrase": "hunter22",
    }
    assert documents.access(json.dumps(inside))["clientKey"] == KEY
    assert "MIIEvQIBADANBgkqhkiG" not in secrets.redact(f"{KEY} MIIEvQIBADANBgkqhkiG hunter22")
    assert secrets.redact("hunter22") == "********"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "clientCertificate: /nowhere.pem",
            "clientCertificate",
            "must be PEM text or the path of a file that can be read",
        ),
        (
            "clientCertificate: /dev/null",
            "clientCertificate",
            "contains no PEM block '-----BEGIN … CERTIFICATE-----'",
        ),
        ('clientCertificate: "a\\nb"', "clientCertificate", "contains no PEM block"),
        (f"clientKey: {KEY!r}".replace("'", '"'), "clientKey", "needs clientCertificate as well"),
        ("clientKeyPassphrase: x", "clientKeyPassphrase", "needs clientCertificate as well"),
        (f"clientCertificate: {KEY!r}".replace("'", '"'), "clientCertificate", "contains no PEM block"),
    ],
)
def test_client_certificates_that_cannot_work_are_refused(
    documents: Documents, text: str, path: str, message: str
) -> None:
    fault = documents.fault(f"url: https://h/\n{text}")
    assert fault.path == path
    assert fault.message.startswith(message)
