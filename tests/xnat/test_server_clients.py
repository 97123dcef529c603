"""Clients that nobody here wrote work with the fake XNAT, unchanged: pyxnat and xnatpy."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import xnat
from tests.servers.xnat import User, Xnat
from tests.servers.xnat_case import XnatCase
from tests.support import venvs

TREE = {"a.txt": b"a\n", "sub/b.bin": random.Random(1).randbytes(300_000), "sub/deep er/c.nii.gz": b"brain"}
# They quote a password in Latin 1, which XNAT does not understand.
NAME, PASSWORD = "client", "correct-horse"

XNATPY = """
import json, pathlib, sys
import xnat

url, user, password, folder = sys.argv[1:]
here = pathlib.Path(folder)
with xnat.connect(url, user=user, password=password, loglevel="ERROR") as site:
    project = site.projects["P"]
    subject = site.classes.SubjectData(parent=project, label="s")
    session = site.classes.MrSessionData(parent=subject, label="s_mr")
    scan = site.classes.MrScanData(parent=session, type="7")
    site.put(f"{session.fulluri}/assessors/s_qc", query={"xsiType": "xnat:qcAssessmentData"})
    single = scan.create_resource("SINGLE")
    single.upload(here / "d" / "a.txt", "one/a.txt", verbose=False)
    single.upload(here / "d" / "a.txt", "one/a.txt", verbose=False)  # is there: 200, nothing happens
    single.upload(here / "d" / "sub" / "b.bin", "one/b.bin", verbose=False)
    single.upload(here / "d" / "a.txt", "one/b.bin", overwrite=True, verbose=False)
    for method in ("tgz_file", "per_file"):
        scan.create_resource(method).upload_dir(here / "d", method=method)
    site.clearcache()
    session = site.projects["P"].subjects["s"].experiments["s_mr"]
    resources = session.scans["7"].resources
    files = resources["SINGLE"].files
    files["one/a.txt"].download(here / "got", verbose=False)  # with a look at its MD5
    resources["tgz_file"].download_dir(here / "zip", verbose=False)
    files["one/b.bin"].delete()
    print(json.dumps({
        "labels": sorted(one.label for one in resources.values()),
        "assessors": [one.label for one in session.assessors.values()],
        "files": sorted(one.path for one in resources["per_file"].files.values()),
        "size": resources["per_file"].file_size,
    }))
"""

PYXNAT = """
import json, pathlib, sys, types

# Half of what pyxnat imports is for reading brain volumes; what talks to XNAT does without.
for name in ("matplotlib", "nibabel", "numpy", "pandas"):
    sys.modules[name] = types.ModuleType(name)
import pyxnat

url, user, password, folder = sys.argv[1:]
here = pathlib.Path(folder)
with pyxnat.Interface(server=url, user=user, password=password) as site:
    session = site.select.project("P").subject("p").experiment("p_mr")
    session.create(experiments="xnat:mrSessionData")
    session.scan("7").create(scans="xnat:mrScanData")
    session.assessor("p_qc").create(assessors="xnat:qcAssessmentData")
    session.reconstruction("r").create()
    single = session.scan("7").resource("SINGLE")
    single.file("a.txt").put(str(here / "d" / "a.txt"), format="TEXT", content="RAW", tags="t")
    single.file("one/b.bin").put(str(here / "d" / "sub" / "b.bin"))
    single.file("one/b.bin").put(str(here / "d" / "a.txt"), overwrite=True)
    session.scan("7").resource("DIR").put_dir(str(here / "d"))
    session.assessor("p_qc").out_resource("OUT").file("x/y.txt").put(str(here / "d" / "a.txt"))
    single.file("a.txt").get(str(here / "got"))
    (here / "zip").mkdir()
    session.scan("7").resource("DIR").get(str(here / "zip"), extract=True)
    facts = {
        "labels": sorted(one.label() for one in session.scan("7").resources()),
        "assessors": [one.label() for one in session.assessors()],
        "reconstructions": session.reconstructions().get(),
        "format": single.file("a.txt").format(),
        "size": single.file("a.txt").size(),
        "there": [single.file(name).exists() for name in ("a.txt", "none")],
    }
    single.file("one/b.bin").delete()
    print(json.dumps(facts))
"""


@pytest.fixture
def site() -> Iterator[Xnat]:
    with xnat.start() as running:
        running.users[NAME] = User(NAME, PASSWORD)
        running.make("P")
        yield running


@pytest.fixture(scope="module")
def python() -> Path:
    return venvs.installed("xnat") / "python"


def work(python: Path, program: str, site: Xnat, folder: Path) -> dict[str, Any]:
    """What the program prints that works with the site; the folder has a tree ``d`` for it."""
    for name, content in TREE.items():
        (folder / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "d" / name).write_bytes(content)
    command: list[str | Path] = [python, "-W", "ignore", "-c", program, site.url, NAME, PASSWORD, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return facts


def found(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by the last part of their names that the tree knows."""
    files = {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    return {known: data for name, data in files.items() for known in TREE if name.endswith(f"/{known}")}


def test_xnatpy_makes_sends_lists_receives_and_deletes(python: Path, site: Xnat, tmp_path: Path) -> None:
    facts = work(python, XNATPY, site, tmp_path)
    scan = "P/s/s_mr/scans/7"
    assert site.tree(scan, "SINGLE") == {"one/a.txt": TREE["a.txt"]}
    assert site.tree(scan, "tgz_file") == TREE
    assert site.tree(scan, "per_file") == TREE
    assert (tmp_path / "got").read_bytes() == TREE["a.txt"]
    assert found(tmp_path / "zip") == TREE
    assert facts == {
        "labels": ["SINGLE", "per_file", "tgz_file"],
        "assessors": ["s_qc"],
        "files": sorted(TREE),
        "size": sum(map(len, TREE.values())),
    }
    assert site.open_sessions() == 0
    assert site.refused == 0


def test_pyxnat_makes_sends_lists_receives_and_deletes(python: Path, site: Xnat, tmp_path: Path) -> None:
    facts = work(python, PYXNAT, site, tmp_path)
    scan = "P/p/p_mr/scans/7"
    assert site.tree(scan, "SINGLE") == {"a.txt": TREE["a.txt"]}
    assert site.tree(scan, "DIR") == TREE
    assert site.tree("P/p/p_mr/assessors/p_qc", "OUT") == {"x/y.txt": TREE["a.txt"]}
    assert (tmp_path / "got").read_bytes() == TREE["a.txt"]
    assert found(tmp_path / "zip") == TREE
    assert facts == {
        "labels": ["DIR", "SINGLE"],
        "assessors": ["p_qc"],
        "reconstructions": ["r"],
        "format": "TEXT",
        "size": "2",
        "there": [True, False],
    }
    assert site.open_sessions() == 0
    assert site.refused == 0


def test_the_conformance_suites_case_sees_what_it_places() -> None:
    with xnat.start() as site:
        case = XnatCase(site, "t1")
        case.place("dir/a b#.txt", b"1")
        case.place("other", b"2")
        assert case.tree("dir") == {"a b#.txt": b"1"}
        assert case.tree("") == {"dir/a b#.txt": b"1", "other": b"2"}
        assert case.tree("none") == {}
        assert case.refusals("") == 0
