"""A phone shows each notice once: by push, from the server, twice, and after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from ble_agent.phone.inbox import MAX_SHOWN, PAGE, Inbox, list_notices
from ble_agent.phone.wallet import Wallet

if TYPE_CHECKING:
    from pathlib import Path

    from ble_agent.phone.account import Account


@given(st.lists(st.integers(0, 30).map(str)))
def test_each_notice_is_new_once_however_often_it_comes(arriving: list[str]) -> None:
    inbox = Inbox()
    shown = [one for one in arriving if inbox.is_new(one)]
    assert shown == list(dict.fromkeys(arriving))


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    wallet = Wallet(tmp_path / "wallet")
    inbox = Inbox(wallet.get_shown())
    assert inbox.is_new("a")
    wallet.put_shown(inbox.shown)
    again = Inbox(Wallet(tmp_path / "wallet").get_shown())
    assert not again.is_new("a")
    assert again.is_new("b")


def test_the_oldest_are_forgotten_and_what_comes_again_is_not_old() -> None:
    inbox = Inbox(str(number) for number in range(MAX_SHOWN))
    assert not inbox.is_new("0")
    assert inbox.is_new("more")
    assert len(inbox.shown) == MAX_SHOWN
    assert not inbox.is_new("0")
    assert inbox.is_new("1")


class Server:
    """An account's server that answers one question."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.asked.append({"document": document, **variables})
        return self.answer


async def test_notices_of_the_server_come_oldest_first() -> None:
    nodes = [{"node": {"messageId": name}} for name in ("new", "old")]
    server = Server({"me": {"notices": {"edges": nodes}}})
    told = await list_notices(cast("Account", server))
    assert [one["messageId"] for one in told] == ["old", "new"]
    assert server.asked[0]["first"] == PAGE


async def test_nobody_signed_in_has_no_notices() -> None:
    assert await list_notices(cast("Account", Server({"me": None}))) == []
