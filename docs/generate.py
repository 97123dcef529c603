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

One section for each connector, one table for each verb: what its access data may hold. How to write a
document around it, with secrets and variables: [access-documents.md](access-documents.md).

`red-connectors example CONNECTOR VERB` prints the examples below, `red-connectors schema CONNECTOR VERB`
the same tables as JSON Schema. This page is made from the schemas by `docs/generate.py`.

Files named like the part files of a transfer (`.NAME.red-part`, `.NAME.red-state`) are left out of every
directory, in both directions, with a warning.
"""

NOTES = {
    "red-connector-http": """\
- **Receiving** continues where an earlier attempt ended, if the server proves by `ETag` or `Last-Modified`
  that the file is still the same. `Content-Length`, `Repr-Digest`, `Content-Digest`, `Digest` and
  `Content-MD5` are checked, in a header and in a trailer. Bytes are stored as the server sends them;
  nothing is decompressed.
- **Sending** is streamed. With PUT the file goes to a hidden name and is moved to its own where the server
  offers WebDAV, and is looked at afterwards wherever the server answers HEAD. A server that refuses the
  hidden name, or to rename it, gets the file under its own name at once, and a note says so. A redirect is
  followed only if it keeps the method (307, 308). POST is repeated only if the server cannot have taken it.
- **Directories** are received by a listing or, without one, as the server shows them: WebDAV, or the
  directory pages of nginx, Apache, lighttpd, Caddy, IIS, Jetty, Tomcat, rclone, miniserve, Go and Python.
  nginx leaves out names that begin with a dot. An entry that a page links elsewhere, or that WebDAV reports
  as gone, is left out with a warning; where nothing else is there, that is an error (76).
  A page that shows anything else than an empty directory (names that are no links, scripts that may show
  entries) is an error (76), too: give a listing.
  A directory in a listing is created, with what its own `listing` names. They are sent with one request
  for each file; directories are created by MKCOL where the server requires it, and empty ones need WebDAV.
- A second receive-dir fetches only what is not there. A file with a checksum in the listing is compared;
  any other remembers its version (`ETag` or `Last-Modified`, in an extended attribute, where the file
  system has them) and is asked for on that condition, unless it was changed locally.
- **Credentials** in `auth`, `headers` and the client certificate are sent to the host of `url` alone, never
  to one that it redirects to. User and password may also stand in the URL. A cookie that is set by a
  redirect goes back to where it comes from, and is forgotten when the file is there.
- A relative path of a certificate or key is relative to the working directory; inline PEM never touches a
  disk.
- Presigned URLs work. Where such a URL is good for one method only, `-validate` checks what it can.
""",
    "red-connector-http-json": """\
Like [red-connector-http](#red-connector-http), for JSON files: what is not JSON (RFC 8259) is neither sent
nor stored (65). The bytes stay as they are. `Content-Type` and `Accept` are `application/json` unless
`headers` say otherwise.
""",
    "red-connector-http-mock-send": """\
Like [red-connector-http](#red-connector-http), for tests of experiments: receiving and all checks are real,
send-file and send-dir send nothing, and say so.
""",
    "red-connector-ssh": """\
- **Servers** need SFTP, which every OpenSSH server has; accounts that are for SFTP only do as well. Tried
  with OpenSSH, dropbear, ProFTPD, AsyncSSH and rclone. Where there is a shell (sh, bash, csh, fish), trees of
  some hundred files and more are listed and moved by the server's own `find` and `tar` (GNU's), in one
  stream; what that cannot do goes by SFTP. Servers with no cipher but chacha20-poly1305 (TinySSH) are not
  understood.
- **Two generations** of documents are taken: `username`, `password`, `privateKey` and `passphrase` flat
  beside `host` or under `auth`; `fileDir` with `fileName` or `filePath`; `dirName` or `dirPath`. The examples
  below are of the later one; this is the first:

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
  `fileName` may lead through further folders.
- **Logging in** is by what the document says and nothing else: no agent, no keys of the machine.
  [How to put a key into a document](access-documents.md#ssh-keys).
- **Host keys** are looked at before any password leaves, and a wrong one is refused (76): `hostKey` must
  match; if the file `RED_KNOWN_HOSTS` has keys of the host, one of them must match as well. If it has none,
  `hostKey` is enough, and without it the host is refused. With neither `hostKey` nor file any key is
  accepted, and the line to put into the document is printed; `RED_STRICT_HOST_KEYS=1` refuses instead.
  `@revoked` in the file refuses that key in any case; `@cert-authority` is not used.
- **Receiving** continues where an earlier attempt ended, if size and time of modification are the same. A
  file that changes meanwhile is fetched again.
- **Sending** makes the folders that are missing, writes to a hidden name in the same folder, looks at the
  size there, and renames it over the old file in one step (`posix-rename@openssh.com`). The mode is that of
  the file that is replaced, or else that of the local file less the server's umask. A symbolic link is
  replaced by the file, not followed; and so is a file that is read-only, as the folder's mode is what counts.
- **Directories** keep empty folders, all names, and the bit for executables. Links are followed only as far
  as they stay inside the directory; any other, and what is neither file nor directory, is reported, and
  nothing is moved. A second receive-dir fetches only what is not there or has changed.
- **A jump host** (`jump`, one at most) is logged in to first, with its own login (under `auth` in either
  generation) and host key; the server is reached through it.
- **Time limits**: `timeout` takes the place of `RED_TIMEOUT` for this server; the log-in and the server's
  first line may have limits of their own.
""",
    "red-connector-xnat-http": """\
What XNAT does, and why this connector does as it does: [xnat-rest-api.md](xnat-rest-api.md).

- **Where**: a resource of a project, subject, session or container: fields are left out from the right.
  `direction` tells the two sides of a reconstruction or assessor apart. Each ID stands for one thing:
  commas, `*` and `ALL`, and resources called by digits only, mean something else to XNAT and are refused.
- **Which one**: a subject, session or assessor is found by its label in the project, or by the ID that
  XNAT gave it. XNAT checks neither whether the session is that subject's nor, if it is named by its ID,
  whether it is in that project; labels are the safer choice.
- **Logging in** is by username and password (`provider/username` as well), or by alias and secret of a
  token. They go with every request, beside the session's cookie. A wrong password is tried once, before
  anything is sent, and the session is always ended.
- **Redirects** of what is sent are refused, since XNAT would answer 200 and store nothing: the message says
  which `baseUrl` to use, or that the password has expired.
- **Receiving** first looks whether session and container are there, for XNAT would deliver a file of the
  subject's that has the same name. Size and MD5 are those that XNAT lists. It continues where an earlier
  attempt ended if they are the same.
- **Sending** makes the container that is missing with `xsiType`, and the resource. What was sent is looked
  for afterwards, by path, size and MD5 (where the site keeps checksums): XNAT answers 200 to a user who may
  not write, too (77, unless that very file is there already). An existing file is an error (73), unless
  `overwriteExistingFile` is true; then it is replaced in one step, and nothing is ever deleted. send-dir
  leaves files alone that have the same content.
- **Directories** are a whole resource, or a folder in it. Files of up to 8 MiB are sent in archives that XNAT
  unpacks, where their names allow it; those of up to 64 KiB are received as one archive. That is the whole
  resource, as XNAT makes no other: where less than half of its bytes are wanted, all files come one by one.
  Larger files are received several at once and sent one after the other, as a resource takes one writer at a
  time. Archives in the directory stay as they are. Empty folders cannot be kept.
- **Names** keep their shape on the way there and back, though XNAT keeps `a#b.txt` as `a%23b.txt`.
- **`send-file-validate` and `send-dir-validate`** see whether one can log in, whether session and container
  are there or can be made, and whether a file to be sent by send-file is there already. They cannot tell
  whether the user may write, which XNAT says only to who tries, nor whether a directory has files that are
  there with other content.
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
