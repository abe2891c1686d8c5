"""Chains of delegations: what each may take away, and what it may never add."""

from __future__ import annotations

import pytest

from schema.codec import Malformed
from schema.keys import Operation
from schema.tokens import delegate
from schema.tokens.chains import Chain, Fault, find_fault, parse_chain
from tests.schema.makers import NOW, make_chain, make_token, signing_key

OPEN = int(Operation.OPEN)


def passed_on(
    parent: bytes, *, giver: str = "device", exp: int = NOW, actions: int = OPEN
) -> bytes:
    holder = signing_key("neighbour").public
    return delegate(signing_key(giver), parent, exp=exp, holder=holder, actions=actions)


def chain_of(*parts: bytes) -> Chain:
    return parse_chain(parts)


def test_chain_is_what_its_last_holder_has() -> None:
    chain = parse_chain(make_chain("neighbour"))
    assert find_fault(chain) is None
    assert chain.raw == make_chain("neighbour")
    assert chain.holder == signing_key("neighbour").public
    assert (chain.actions, chain.exp) == (OPEN, chain.delegations[0].exp)
    assert chain.is_extendable


def test_token_alone_is_a_chain_of_its_own_holder() -> None:
    chain = chain_of(make_token(depth=0))
    assert find_fault(chain) is None
    assert (chain.holder, chain.exp) == (signing_key("device").public, NOW + 3600)
    assert chain.actions == OPEN
    assert not chain.is_extendable


def test_longest_chain_goes_no_further() -> None:
    chain = parse_chain(make_chain("neighbour", "child"))
    assert find_fault(chain) is None
    assert not chain.is_extendable


@pytest.mark.parametrize(
    "parts", [(), (*make_chain("neighbour", "child"), make_chain("neighbour")[1])]
)
def test_chain_of_no_or_too_many_parts_is_malformed(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(Malformed):
        parse_chain(parts)


def test_token_bounds_how_often_it_is_passed_on() -> None:
    token = make_token(depth=0)
    assert find_fault(chain_of(token, passed_on(token))) is Fault.TOO_MANY


@pytest.mark.parametrize(
    ("exp", "actions", "fault"),
    [
        (NOW + 3600, OPEN, None),
        (NOW + 3601, OPEN, Fault.TOO_WIDE),
        (NOW, OPEN | int(Operation.DEPOSIT), Fault.TOO_WIDE),
        (NOW, 0, None),
    ],
)
def test_delegation_only_takes_away(exp: int, actions: int, fault: Fault | None) -> None:
    token = make_token()
    assert find_fault(chain_of(token, passed_on(token, exp=exp, actions=actions))) is fault


def test_delegation_is_given_by_the_holder_of_what_it_is_made_from() -> None:
    token = make_token()
    assert find_fault(chain_of(token, passed_on(token, giver="thief"))) is Fault.FOREIGN
    assert find_fault(chain_of(make_token(depth=1), passed_on(token))) is Fault.FOREIGN


def test_second_delegation_is_bound_to_the_first() -> None:
    token = make_token()
    first = passed_on(token, exp=NOW)
    longer = passed_on(first, giver="neighbour", exp=NOW + 1)
    beside = passed_on(token, giver="neighbour", exp=NOW)
    assert find_fault(chain_of(token, first, longer)) is Fault.TOO_WIDE
    assert find_fault(chain_of(token, first, beside)) is Fault.FOREIGN
