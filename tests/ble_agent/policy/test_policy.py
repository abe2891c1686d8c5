"""Who is let in: each check, each alone, and in the protocol's order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ble_agent.policy.credentials import TOLERANCE_S
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import Revoked
from schema.codec import encode
from schema.codes import Code
from schema.cose import Aad, sign_object
from schema.ids import KeyId, LockerId, TokenId
from schema.keys import KeyEntry, KeySet, Operation, Role
from schema.tokens import claims_value, delegate, delegation_id
from tests.ble_agent.asking import CLAIMS, LID, STAY, Asking, bearer, code_of, make_world, token
from tests.ble_agent.standing import (
    DAY,
    ISSUER,
    KEYS,
    NOW,
    OPERATOR,
    SEAL,
    SERVICE,
    bytes_of,
    key_of,
)

EVERY_ACTION = 1 | 2 | 4 | 8 | 16 | 64


def code(asking: Asking) -> Code:
    return code_of(asking.judge())


def test_recipient_with_a_stay_is_let_in() -> None:
    verdict = Asking().judge()
    assert isinstance(verdict, Permit)
    assert (verdict.comp, verdict.comps, verdict.stay) == (3, (3,), STAY)
    assert (verdict.cti, verdict.second_cti) == (CLAIMS.cti, None)


# A request in which everything is wrong, mended one fault after the other: the order of checks.
def test_the_first_check_that_fails_decides() -> None:
    other = LockerId(bytes_of("other locker"))
    base: dict[str, Any] = {"minrev": 9, "exp": NOW - 200, "nbf": NOW - 3000, "iat": NOW - 3000}
    wide = base | {"actions": EVERY_ACTION}
    fair = base | {"actions": 1 | 4, "depth": 0, "stay": b""}
    deep = fair | {"depth": 1}

    def chain(claims: dict[str, Any], **how: Any) -> tuple[bytes, ...]:
        raw = token(**how, **claims)
        return raw, delegate(
            key_of("phone"), raw, exp=claims["exp"], holder=key_of("friend").public, actions=1 | 4
        )

    asking = Asking(chain(wide, signer="stranger", lid=other), proved_h=bytes(32), comp=3)
    asking.world = make_world(clockq=0, room=0.0, presence_code=7)
    found = [code(asking)]
    asking.chain = chain(wide, lid=other)
    found.append(code(asking))
    asking.chain = chain(wide)
    found.append(code(asking))
    asking.chain = chain(fair)
    found.append(code(asking))
    asking.chain = chain(deep)
    found.append(code(asking))
    asking.holder, asking.proved_h = "friend", Asking.proved_h
    found.append(code(asking))
    revoked = Revoked(seq=9, min_iat=NOW - 100)
    asking.world = replace(asking.world, revoked=revoked)
    found.append(code(asking))
    asking.world = replace(asking.world, revoked=replace(revoked, min_iat=0))
    found.append(code(asking))
    asking.chain = chain(deep | {"exp": NOW + 900, "nbf": NOW + 300, "iat": NOW})
    asking.world = replace(asking.world, clockq=1)
    found.append(code(asking))
    asking.chain = chain(deep | {"exp": NOW + 900, "nbf": NOW, "iat": NOW})
    asking.world = replace(asking.world, clockq=0)
    found.append(code(asking))
    asking.world = replace(asking.world, clockq=2)
    found.append(code(asking))  # no token of INSPECT names compartment 3
    asking.op = Operation.INSPECT
    asking.chain = chain(deep | {"exp": NOW + 900, "nbf": NOW, "iat": NOW, "comps": (1,)})
    asking.comp = 1
    asking.world = replace(asking.world, open_doors=frozenset({1}), used=frozenset())
    found.append(code(asking))
    asking.world = replace(asking.world, open_doors=frozenset())
    found.append(code(asking))
    asking.world = replace(asking.world, room=1.0)
    found.append(code(asking))
    asking.code = 7
    found.append(code(asking))
    assert found == [
        Code.BAD_SIGNATURE,
        Code.WRONG_LOCKER,
        Code.OUT_OF_SCOPE,
        Code.BAD_DELEGATION,
        Code.HOLDER_PROOF_FAILED,
        Code.REVOCATIONS_NEEDED,
        Code.REVOKED,
        Code.EXPIRED,
        Code.NOT_YET_VALID,
        Code.CLOCK_UNTRUSTED,
        Code.OUT_OF_SCOPE,
        Code.COMPARTMENT_BUSY,
        Code.STORAGE_FULL,
        Code.PRESENCE_CODE_WRONG,
        Code.OK,
    ]


def test_a_refusal_says_whether_the_holder_was_proved() -> None:
    before = Asking(proved_h=bytes(32)).judge()
    after = Asking((token(minrev=1),)).judge()
    assert isinstance(before, Refusal)
    assert isinstance(after, Refusal)
    assert (before.is_proved, after.is_proved) == (False, True)


class TestIssuer:
    """Whose tokens count, and how far."""

    @pytest.mark.parametrize("kid", [KeyId(b"\x09\x09"), SERVICE, SEAL])
    def test_unknown_kid_other_kid_and_sealing_key_are_a_bad_signature(self, kid: KeyId) -> None:
        assert code(Asking((token(kid=kid),))) == Code.BAD_SIGNATURE

    def test_an_empty_key_set_trusts_nobody(self) -> None:
        assert code(Asking(world=make_world(keys=KeySet()))) == Code.BAD_SIGNATURE

    @pytest.mark.parametrize("aad", [aad for aad in Aad if aad is not Aad.TOKEN])
    def test_no_other_signed_type_stands_for_a_token(self, aad: Aad) -> None:
        raw = sign_object(key_of("issuer"), aad, encode(claims_value(CLAIMS)), ISSUER)
        assert code(Asking((raw,))) == Code.BAD_SIGNATURE

    def test_online_key_cannot_sign_open_all(self) -> None:
        pair = tuple(
            token(actions=64, cti=TokenId(cti), stay=b"") for cti in (b"cti00001", b"cti00002")
        )
        assert code(Asking(pair, op=Operation.OPEN_ALL)) == Code.OUT_OF_SCOPE

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"exp": NOW - 60 + 7 * DAY}, Code.OK),
            ({"exp": NOW - 59 + 7 * DAY}, Code.OUT_OF_SCOPE),
            ({"exp": NOW - 61}, Code.OUT_OF_SCOPE),
            ({"actions": 1 | 8}, Code.OUT_OF_SCOPE),
            ({"nbf": NOW - DAY, "iat": NOW - DAY}, Code.OK),
            ({"nbf": NOW - DAY - 1}, Code.OUT_OF_SCOPE),
            ({"iat": NOW - DAY - 1}, Code.OUT_OF_SCOPE),
            ({"iat": NOW + 3600}, Code.OK),
            ({"iat": NOW + 3601}, Code.OUT_OF_SCOPE),
            ({"nbf": NOW + 40 * DAY, "exp": NOW + 45 * DAY + 1}, Code.OUT_OF_SCOPE),
        ],
    )
    def test_mask_life_and_longest_life_of_the_key_bound_the_token(
        self, claims: dict[str, Any], expected: Code
    ) -> None:
        assert code(Asking((token(**claims),))) == expected


class TestDelegation:
    """What a holder may pass on."""

    @staticmethod
    def chain(depth: int = 1, **how: Any) -> tuple[bytes, bytes]:
        raw = token(depth=depth, actions=1 | 4)
        made: dict[str, Any] = {"exp": NOW + 60, "holder": key_of("friend").public, "actions": 1}
        signer, parent = how.pop("signer", "phone"), how.pop("parent", raw)
        return raw, delegate(key_of(signer), parent, **made | how)

    def test_a_friend_is_let_in_for_the_holder(self) -> None:
        assert code(Asking(self.chain(), holder="friend")) == Code.OK

    def test_the_holder_cannot_use_the_friends_chain(self) -> None:
        assert code(Asking(self.chain(), holder="phone")) == Code.HOLDER_PROOF_FAILED

    @pytest.mark.parametrize(
        "how",
        [
            {"depth": 0},
            {"actions": 1 | 2},
            {"exp": NOW + 3601},
            {"signer": "friend"},
            {"parent": token(depth=1, cti=TokenId(b"cti00009"))},
        ],
        ids=["depth", "widened", "outlives", "stranger", "spliced"],
    )
    def test_a_delegation_only_takes_away(self, how: dict[str, Any]) -> None:
        assert code(Asking(self.chain(**how), holder="friend")) == Code.BAD_DELEGATION

    def test_the_second_delegation_is_bound_to_the_first(self) -> None:
        raw, first = self.chain(depth=2)
        cousin = key_of("cousin").public
        good = delegate(key_of("friend"), first, exp=NOW + 60, holder=cousin, actions=1)
        assert code(Asking((raw, first, good), holder="cousin")) == Code.OK
        for bad in (
            delegate(key_of("friend"), first, exp=NOW + 61, holder=cousin, actions=1),
            delegate(key_of("friend"), first, exp=NOW + 60, holder=cousin, actions=4),
            delegate(key_of("friend"), raw, exp=NOW + 60, holder=cousin, actions=1),
            delegate(key_of("phone"), first, exp=NOW + 60, holder=cousin, actions=1),
        ):
            assert code(Asking((raw, first, bad), holder="cousin")) == Code.BAD_DELEGATION

    def test_what_the_delegation_does_not_allow_is_out_of_scope(self) -> None:
        chain = self.chain(actions=4)
        assert code(Asking(chain, holder="friend")) == Code.OUT_OF_SCOPE

    @pytest.mark.parametrize("late_s", [TOLERANCE_S, TOLERANCE_S + 1])
    def test_a_delegation_expires_by_itself(self, late_s: int) -> None:
        world = make_world(now=NOW + 60 + late_s)
        expected = Code.OK if late_s <= TOLERANCE_S else Code.EXPIRED
        assert code(Asking(self.chain(), holder="friend", world=world)) == expected

    def test_a_revoked_delegation_leaves_its_token_alive(self) -> None:
        raw, part = self.chain()
        world = make_world(revoked=Revoked(1, frozenset({delegation_id(part)})))
        assert code(Asking((raw, part), holder="friend", world=world)) == Code.REVOKED
        assert code(Asking((raw,), world=world)) == Code.OK


class TestTime:
    """When a token counts."""

    @pytest.mark.parametrize(
        ("now", "clockq", "expected"),
        [
            (NOW + 3600 + 120, 2, Code.OK),
            (NOW + 3600 + 121, 2, Code.EXPIRED),
            (NOW + 3600 + 121, 1, Code.EXPIRED),
            (NOW + 3600 + 121, 0, Code.EXPIRED),
            (NOW - 60 - 120, 2, Code.OK),
            (NOW - 60 - 121, 2, Code.NOT_YET_VALID),
            (NOW - 60 - 121, 1, Code.NOT_YET_VALID),
            (0, 0, Code.OK),
        ],
    )
    def test_both_ends_have_two_minutes_and_a_dead_clock_judges_only_the_end(
        self, now: int, clockq: int, expected: Code
    ) -> None:
        assert code(Asking(world=make_world(now=now, clockq=clockq))) == expected

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("stay", [STAY, b""])
    def test_a_dead_clock_serves_only_recipients_with_a_stay(self, role: Role, stay: bytes) -> None:
        verdict = code(Asking((token(role=role, stay=stay),), world=make_world(clockq=0)))
        assert (verdict == Code.CLOCK_UNTRUSTED) == (role is not Role.RECIPIENT or not stay)


class TestRevocation:
    """What was withdrawn."""

    @pytest.mark.parametrize("name", [CLAIMS.cti, STAY])
    def test_token_and_stay_are_revoked_by_their_ids(self, name: bytes) -> None:
        world = make_world(revoked=Revoked(1, frozenset({bytes(name)})))
        assert code(Asking(world=world)) == Code.REVOKED

    @pytest.mark.parametrize("min_iat", [CLAIMS.iat, CLAIMS.iat + 1])
    def test_tokens_issued_before_min_iat_are_revoked(self, min_iat: int) -> None:
        world = make_world(revoked=Revoked(1, min_iat=min_iat))
        expected = Code.REVOKED if min_iat > CLAIMS.iat else Code.OK
        assert code(Asking(world=world)) == expected

    @pytest.mark.parametrize("seq", [4, 5])
    def test_a_token_may_ask_for_a_list(self, seq: int) -> None:
        world = make_world(revoked=Revoked(seq))
        expected = Code.OK if seq == 5 else Code.REVOCATIONS_NEEDED
        assert code(Asking((token(minrev=5),), world=world)) == expected


class TestPair:
    """OPEN_ALL takes two tokens."""

    @staticmethod
    def pair(**second: Any) -> tuple[bytes, bytes]:
        life: dict[str, Any] = {"actions": 64, "stay": b"", "exp": NOW + 600, "depth": 1}
        life |= {"role": Role.OPERATOR}
        made = life | {"signer": "operator", "kid": OPERATOR, "cti": TokenId(b"cti00002")} | second
        return token("service", SERVICE, **life), token(**made)

    def ask(self, chain: tuple[bytes, ...], **how: Any) -> Permit | Refusal:
        return Asking(chain, op=Operation.OPEN_ALL, **how).judge()

    def test_two_tokens_of_two_keys_open_every_compartment(self) -> None:
        verdict = self.ask(self.pair())
        assert isinstance(verdict, Permit)
        assert (verdict.comp, verdict.comps) == (None, (1, 2, 3, 4))
        assert (verdict.cti, verdict.second_cti) == (b"cti00001", b"cti00002")

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            ({"signer": "service", "kid": SERVICE}, Code.OUT_OF_SCOPE),
            ({"holder": key_of("friend").public}, Code.HOLDER_PROOF_FAILED),
            ({"actions": 1, "signer": "issuer", "kid": ISSUER}, Code.OUT_OF_SCOPE),
            ({"exp": NOW - 121, "nbf": NOW - 600, "iat": NOW - 600}, Code.EXPIRED),
            ({"nbf": NOW + 121, "exp": NOW + 600}, Code.NOT_YET_VALID),
            ({"minrev": 1}, Code.REVOCATIONS_NEEDED),
            ({"lid": LockerId(bytes_of("other"))}, Code.WRONG_LOCKER),
            ({"comps": (9,)}, Code.OUT_OF_SCOPE),
        ],
    )
    def test_each_of_the_two_passes_every_check(
        self, second: dict[str, Any], expected: Code
    ) -> None:
        verdict = self.ask(self.pair(**second))
        assert code_of(verdict) == expected

    def test_two_devices_are_not_one(self) -> None:
        pair = self.pair(holder=key_of("friend").public)
        verdict = self.ask(pair, holder="friend")
        assert code_of(verdict) == Code.OUT_OF_SCOPE

    @pytest.mark.parametrize("count", [1, 3])
    def test_one_token_or_a_delegation_does_not_do(self, count: int) -> None:
        first = self.pair()[0]
        part = delegate(
            key_of("phone"), first, exp=NOW + 60, holder=key_of("phone").public, actions=64
        )
        chain = (first,) if count == 1 else (first, part, part)
        verdict = self.ask(chain)
        assert code_of(verdict) in {Code.OUT_OF_SCOPE, Code.BAD_DELEGATION}

    def test_the_smaller_rights_count(self) -> None:
        verdict = self.ask(self.pair(comps=(2, 4)))
        assert isinstance(verdict, Permit)
        assert verdict.comps == (2, 4)

    def test_whichever_of_the_two_has_them(self) -> None:
        first, second = self.pair()
        narrow = token("service", SERVICE, actions=64, stay=b"", exp=NOW + 600, comps=(2, 4))
        for chain in ((narrow, second), (second, narrow)):
            verdict = self.ask(chain)
            assert isinstance(verdict, Permit)
            assert verdict.comps == (2, 4)
        verdict = self.ask((first, second))
        assert isinstance(verdict, Permit)
        assert verdict.bearer == bearer(first, second)

    def test_where_both_name_some_only_what_both_name_opens(self) -> None:
        def ask(first: tuple[int, ...], second: tuple[int, ...]) -> Permit | Refusal:
            mine = token("service", SERVICE, actions=64, stay=b"", exp=NOW + 600, comps=first)
            return self.ask((mine, self.pair(comps=second)[1]))

        verdict = ask((1, 2, 4), (4, 2, 9))
        assert isinstance(verdict, Permit)
        assert verdict.comps == (2, 4)
        assert code_of(ask((1,), (2,))) == Code.OUT_OF_SCOPE

    def test_uses_are_remembered_until_the_later_end(self) -> None:
        verdict = self.ask(self.pair(exp=NOW + 900))
        assert isinstance(verdict, Permit)
        assert verdict.exp == NOW + 900

    def test_keys_without_sync_raise_no_floor(self) -> None:
        verdict = self.ask(self.pair())
        assert isinstance(verdict, Permit)
        assert verdict.floor_iat is None

    def test_the_key_that_may_sync_raises_the_floor(self) -> None:
        syncing = KeyEntry(OPERATOR, key_of("operator").public, 80, DAY, NOW - DAY, NOW + DAY)
        keys = tuple(syncing if key.kid == OPERATOR else key for key in KEYS)
        verdict = self.ask(self.pair(iat=NOW - 7), world=make_world(keys=KeySet(keys)))
        assert isinstance(verdict, Permit)
        assert verdict.floor_iat == NOW - 7


@settings(max_examples=150, deadline=None)
@given(
    now=st.integers(NOW - 10 * DAY, NOW + 10 * DAY),
    clockq=st.sampled_from([0, 1, 2]),
    role=st.sampled_from(Role),
    actions=st.integers(0, 127),
    op=st.sampled_from(list(Operation)),
    comp=st.none() | st.integers(0, 5),
    comps=st.lists(st.integers(0, 5), max_size=3),
    has_stay=st.booleans(),
)
def test_nobody_is_let_in_beyond_the_token(
    *,
    now: int,
    clockq: int,
    role: Role,
    actions: int,
    op: Operation,
    comp: int | None,
    comps: list[int],
    has_stay: bool,
) -> None:
    raw = token(
        role=role, actions=actions, comps=tuple(comps), stay=STAY if has_stay else b"", lid=LID
    )
    world = make_world(now=now, clockq=clockq)
    verdict = Asking((raw,), op=op, comp=comp, world=world).judge()
    if isinstance(verdict, Permit):
        assert actions & op
        assert not actions & ~23  # the issuer's mask
        assert now <= CLAIMS.exp + TOLERANCE_S
        assert clockq == 0 or now >= CLAIMS.nbf - TOLERANCE_S
        assert clockq or (role is Role.RECIPIENT and has_stay)
        assert set(verdict.comps) <= (set(comps) or {1, 2, 3, 4})
        assert verdict.comp == (comp if comp is not None else verdict.comp)
