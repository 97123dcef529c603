"""A decoration delegates everything, and nothing leads around it."""

import inspect
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from connectors.errors import Unavailable
from connectors.remote import Decorated, Remote
from connectors.transfer.mount import mount_dir
from tests.support.fake_remote import FakeRemote, TogetherRemote, files, receive, send
from tests.support.sessions import job

METHODS = [name for name, one in vars(Remote).items() if inspect.isfunction(one) and name[0] != "_"]


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_delegated_with_its_arguments_and_its_result(name: str) -> None:
    inner = create_autospec(FakeRemote(), instance=True)
    count = len(inspect.signature(getattr(Decorated, name)).parameters) - 1
    arguments = [f"argument {number}" for number in range(count)]
    result = getattr(Decorated(inner), name)(*arguments)
    method = getattr(inner, name)
    method.assert_called_once_with(*arguments)
    assert result in (method.return_value, None)
    assert (result is None) == (inspect.signature(getattr(Remote, name)).return_annotation is None)


def test_whether_files_present_a_password_is_that_of_the_decorated_remote() -> None:
    inner = FakeRemote()
    inner.presents_password = True
    assert Decorated(inner).presents_password


def test_what_leads_around_a_decoration_is_not_inherited(tmp_path: Path) -> None:
    class Upper(Decorated):
        def write(self, path: str, source: object) -> None:
            self.remote.write(path.upper(), source)  # type: ignore[arg-type]

    inner = TogetherRemote(files("a", "b", "c"))
    assert inner.many
    assert Decorated(inner).many is None
    receive(Decorated(inner), tmp_path)
    send(Upper(inner), tmp_path)
    assert inner.sent == {"A": b"a", "B": b"b", "C": b"c"}


def test_a_remote_without_a_file_system_cannot_be_mounted(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be mounted"):
        mount_dir(Decorated(FakeRemote()), job(), str(tmp_path / "m"))
    assert list(tmp_path.iterdir()) == []
