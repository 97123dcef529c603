"""Writes docs/connectors.md from the connectors' schemas; a test fails where the two have drifted apart.

python docs/generate.py
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "connectors.md"
sys.path.insert(0, str(HERE.parent))

from connectors import registry  # noqa: E402  # the package lies beside this folder
from connectors.access import describe  # noqa: E402

INTRODUCTION = """\
# The connectors

One section for each connector, one table for each verb: the fields of its access data. How to write the
document, with secrets and variables: [access-documents.md](access-documents.md).

`red-connectors example CONNECTOR VERB` prints the examples below, `red-connectors schema CONNECTOR VERB`
the same tables as JSON Schema. `docs/generate.py` generates this page from the schemas.

Files named like part files (`.NAME.red-part`, `.NAME.red-state`) are skipped in every directory, in both
directions, with a warning.
"""

NOTES = {
    "red-connector-http": """\
- **Receiving** resumes where an earlier attempt ended, if `ETag` or `Last-Modified` shows that the file has
  not changed. `Content-Length`, `Repr-Digest`, `Content-Digest`, `Digest` and `Content-MD5` are checked, in
  a header and in a trailer. Bytes are stored as the server sends them; nothing is decompressed.
- **Sending** is streamed. With PUT and WebDAV the file is written to a hidden name and then renamed; if the
  server answers HEAD, it is checked afterwards. If the server refuses the hidden name or the rename, the
  file is written directly, with a note. A redirect is followed only if it keeps the method (307, 308). POST
  is retried only if the server cannot have accepted it.
- **Directories** are received by a listing or, without one, from WebDAV or the directory pages of nginx,
  Apache, lighttpd, Caddy, IIS, Jetty, Tomcat, rclone, miniserve, Go and Python. nginx omits names that begin
  with a dot. An entry that links elsewhere, or that WebDAV reports as gone, is skipped with a warning; if no
  other entry exists, that is an error (76). A page without links that may not be an empty directory (names
  as text, scripts that may add entries) is also an error (76): give a listing. A directory in a listing is
  created, with the entries of its own `listing`. Sending uses one request per file; directories are created
  by MKCOL if the server requires it, and empty ones need WebDAV.
- A second receive-dir fetches only missing or changed files. Files with a checksum in the listing are
  compared; for others the version is stored (`ETag` or `Last-Modified`, in an extended attribute, if
  supported) and sent in a conditional request, unless the file was changed locally.
- **Credentials** in `auth`, `headers` and the client certificate are sent only to the host of `url`, never
  to one it redirects to. The URL may also contain user and password. A cookie set by a redirect is sent back
  to its origin only, and discarded after the transfer.
- Relative paths of certificates and keys start from the working directory; inline PEM is never written to
  disk.
- Presigned URLs work. If one is valid for a single method only, `-validate` checks what it can.
""",
    "red-connector-http-json": """\
Like [red-connector-http](#red-connector-http), for JSON files: anything that is not JSON (RFC 8259) is
neither sent nor stored (65). The bytes are unchanged. `Content-Type` and `Accept` are `application/json`
unless `headers` say otherwise.
""",
    "red-connector-http-mock-send": """\
Like [red-connector-http](#red-connector-http), for tests of experiments: receiving and all checks are real;
send-file and send-dir send nothing and report that.
""",
    "red-connector-ssh": """\
- **Servers** need SFTP, which every OpenSSH server has; SFTP-only accounts work. Tested with OpenSSH,
  dropbear, ProFTPD, AsyncSSH and rclone. With a shell (sh, bash, csh, fish), trees of a few hundred files or
  more are listed and moved by the server's GNU `find` and `tar`, in one stream; the rest uses SFTP. Servers
  with chacha20-poly1305 as only cipher (TinySSH) are not supported.
- **Two generations** of documents are accepted: `username`, `password`, `privateKey` and `passphrase` flat
  beside `host` or under `auth`; `fileDir` with `fileName` or `filePath`; `dirName` or `dirPath`. The
  examples below use the later one; this is the first:

  ```yaml
  # for: red-connector-ssh receive-file
  command: "red-connector-ssh"
  access:
    host: "example.com"
    username: "username"
    password: "password"
    fileDir: "/home/username/files"
    fileName: "data.csv"
  ```

- **Paths** are absolute or relative to the log-in directory; `~/x` is `x`. Nothing else is expanded.
  `fileName` may contain further folders.
- **Logging in** uses only the document: no agent, no keys of the machine.
  [How to put a key into a document](access-documents.md#ssh-keys).
- **Host keys** are checked before any password is sent, and a wrong one is refused (76): `hostKey` must
  match; if the file `RED_KNOWN_HOSTS` has keys for the host, one of them must match as well. If it has none,
  `hostKey` is enough; without it the host is refused. With neither `hostKey` nor file any key is accepted,
  and the line for the document is printed; `RED_STRICT_HOST_KEYS=1` refuses instead. A key marked `@revoked`
  in the file is always refused; `@cert-authority` is not used.
- **Receiving** resumes where an earlier attempt ended, if size and modification time are the same. A file
  that changes during the transfer is fetched again.
- **Sending** creates missing folders, writes to a hidden name in the same folder, checks the size, and
  atomically renames it over the old file (`posix-rename@openssh.com`). The mode is taken from the replaced
  file, or else from the local file less the server's umask. A symbolic link is replaced, not followed; a
  read-only file is replaced too, as only the folder's mode matters.
- **Directories** keep empty folders, all names, and the executable bit. Links are followed only inside the
  directory; other links and special files are reported as errors, and nothing is moved. A second receive-dir
  fetches only missing or changed files.
- **A jump host** (`jump`, one at most) is contacted first, with its own login (under `auth` in either
  generation) and host key; the connection to the server goes through it.
- **Time limits**: `timeout` replaces `RED_TIMEOUT` for this server; the log-in and the server's first line
  may have their own limits.
""",
    "red-connector-xnat-http": """\
XNAT's behaviour, and the reasons for this connector's: [xnat-rest-api.md](xnat-rest-api.md).

- **Where**: a resource of a project, subject, session or container: fields are left out from the right.
  `direction` selects one side of a reconstruction or assessor. Each ID names one object: commas, `*`, `ALL`
  and all-digit resource names have a special meaning in XNAT and are refused.
- **Which one**: a subject, session or assessor is found by its label in the project, or by its XNAT ID. XNAT
  does not check that the session belongs to the subject or, if named by ID, to the project; labels are
  safer.
- **Logging in** is by username and password (`provider/username` as well), or by a token's alias and secret.
  They are sent with every request, with the session cookie. A wrong password is tried once, before anything
  is sent, and the session is always closed.
- **Redirects** of uploads are refused, since XNAT would answer 200 and store nothing: the message says which
  `baseUrl` to use, or that the password has expired.
- **Receiving** first checks that session and container exist, because XNAT would otherwise return the
  subject's file of the same name. Size and MD5 come from XNAT's list. If they are the same, an earlier
  attempt is resumed.
- **Sending** creates a missing container with `xsiType`, and the resource. Uploads are verified by path,
  size and MD5 (if the site keeps checksums), because XNAT answers 200 even to a user without write
  permission (77, unless that file already exists). An existing file is an error (73), unless
  `overwriteExistingFile` is true; then it is replaced in one step, and nothing is ever deleted. send-dir
  skips files with the same content.
- **Directories** are a whole resource, or a folder in it. Files of up to 8 MiB are sent in archives that XNAT
  unpacks, if their names allow it; those of up to 64 KiB are received as one archive. XNAT can only archive
  the whole resource: if less than half of its bytes are needed, all files are received individually. Larger
  files are received concurrently and sent one at a time, as a resource allows one writer. Archives in the
  directory are not unpacked. Empty folders cannot be kept.
- **Names** survive sending and receiving, though XNAT stores `a#b.txt` as `a%23b.txt`.
- **`send-file-validate` and `send-dir-validate`** check that the log-in works, that session and container
  exist or can be created, and whether send-file's file already exists. They cannot check write permission,
  which XNAT reports only on writing, nor whether files of a directory exist with other content.
""",
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for name in registry.MODULES:
        connector = registry.load(name)
        parts.append(f"## {name}\n\n{connector.SUMMARY[0].upper()}{connector.SUMMARY[1:]}.\n\n{NOTES[name]}")
        for verb, schema in connector.SCHEMAS.items():
            example = describe.example(name, verb, schema)
            parts.append(f"### {name} {verb}\n\n{describe.table(schema)}\n```yaml\n{example}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
