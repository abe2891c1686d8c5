"""The protocol's frozen examples: every byte of `slk1.json`, made and read by this schema."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from schema import cose, envelopes, gatt, handshake, journal, keys, merkle, statements
from schema import tokens as unlock
from schema.codec import Malformed, decode, encode
from schema.ids import KeyId, LockerId, StayId, locker_text, parse_locker_text
from schema.journal import FIRST_PREV_HEAD, parse_accepted, parse_entry
from schema.noise import Cipher
from schema.statements import StatementType
from schema.tokens import passes
from tests.schema.frozen import load_frozen

GIVEN = load_frozen("slk1.json")
KEYS = {name: bytes.fromhex(value) for name, value in GIVEN["keys"].items()}
LID = LockerId(KEYS["lid"])
DEVICE = cose.SigningKey(KEYS["device_seed"])
STATEMENTS = dict(zip(("rev", "tim", "key", "cfg", "ack"), StatementType, strict=True))


def _hex(*path: str) -> bytes:
    value: Any = GIVEN
    for step in path:
        value = value[step]
    return bytes.fromhex(value)


@pytest.mark.parametrize("refused", GIVEN["codec"]["refuse"])
def test_codec_refuses_what_the_encoder_cannot_have_written(refused: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(refused))


@pytest.mark.parametrize("same", GIVEN["codec"]["same"])
def test_codec_writes_again_what_it_read(same: str) -> None:
    assert encode(decode(bytes.fromhex(same))) == bytes.fromhex(same)


def test_locker_id_has_the_frozen_text() -> None:
    assert locker_text(LID) == GIVEN["lid_text"]
    assert parse_locker_text(GIVEN["lid_text"]) == LID


@pytest.mark.parametrize("name", ["root1", "root2", "device", "locker_ed25519"])
def test_public_keys_grow_from_the_seeds(name: str) -> None:
    assert cose.SigningKey(KEYS[f"{name}_seed"]).public == KEYS[f"{name}_public"]


def test_token_is_issued_byte_for_byte() -> None:
    token = unlock.parse_token(_hex("token"))
    issuer = cose.SigningKey(KEYS["issuer_seed"])
    assert token.signed.payload == _hex("token_payload")
    assert token.signed.is_signed_by(issuer.public, cose.Aad.TOKEN)
    assert encode(unlock.claims_value(token.claims)) == token.signed.payload
    assert unlock.issue_token(issuer, KeyId(_hex("kids", "iss")), LID, token.claims) == token.raw
    assert len(token.raw) == 181


def test_delegation_is_given_byte_for_byte() -> None:
    raw, parent = _hex("delegation", "bytes"), _hex("delegation", "parent")
    given = unlock.parse_delegation(raw)
    assert given.holder == _hex("delegation", "new_holder")
    assert given.parent == unlock.parent_hash(parent)
    assert given.signed.is_signed_by(DEVICE.public, cose.Aad.DELEGATION)
    exp, holder, actions = given.exp, given.holder, given.actions
    assert unlock.delegate(DEVICE, parent, exp=exp, holder=holder, actions=actions) == raw


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_is_signed_byte_for_byte(name: str) -> None:
    raw = _hex("statements", name)
    statement = statements.parse_statement(STATEMENTS[name], raw)
    signer = cose.SigningKey(KEYS["root1_seed" if name == "key" else "issuer_seed"])
    assert statement.is_signed_by(signer.public)
    assert statement.signed.kid is not None
    assert statements.sign_statement(signer, statement.signed.kid, statement.body) == raw


def test_key_set_of_the_lockers_state_holds_all_signers_and_the_sealing_key() -> None:
    raw = _hex("state", "key_set_statement")
    body = statements.parse_statement(StatementType.KEY_SET, raw).body
    assert isinstance(body, statements.KeySetStatement)
    held = keys.KeySet(body.keys)
    for kid, name in (("iss", "issuer"), ("svc", "service"), ("hub", "hub"), ("opr", "operator")):
        signer = held.find_signer(KeyId(_hex("kids", kid)))
        assert signer is not None
        assert signer.public == cose.SigningKey(KEYS[f"{name}_seed"]).public
    sealing = held.find_sealing_key()
    assert sealing is not None
    assert (sealing.kid, sealing.public) == (_hex("kids", "seal"), KEYS["server_x25519_public"])
    assert held.find_signer(sealing.kid) is None


def _locker(hello: bytes) -> handshake.LockerVisit:
    said = handshake.parse_hello(hello[32:])
    static, ephemeral = KEYS["locker_x25519_private"], KEYS["locker_ephemeral"]
    return handshake.LockerVisit(said, static=static, ephemeral=ephemeral)


def _phone(hello: bytes) -> handshake.PhoneVisit:
    static, ephemeral = KEYS["locker_x25519_public"], KEYS["phone_ephemeral"]
    return handshake.PhoneVisit(hello, lid=LID, locker_static=static, ephemeral=ephemeral)


def _accepted() -> tuple[handshake.LockerVisit, handshake.PhoneVisit]:
    """The visit after message 3, each byte of it compared on the way."""
    locker, phone = _locker(_hex("visit", "hello")), _phone(_hex("visit", "hello"))
    assert locker.hello == _hex("visit", "hello")
    asked = handshake.parse_request(_hex("visit", "message2_plain"))
    brought = tuple((statement.type, statement.raw) for statement in asked.statements)
    message = phone.write_request(asked.chain, asked.req, DEVICE, brought)
    assert message == _hex("visit", "message2")
    assert locker.open_request(message) == _hex("visit", "message2_plain")
    assert locker.seal(_hex("visit", "message3_plain")) == _hex("visit", "message3")
    return locker, phone


def test_visit_runs_to_the_result_byte_for_byte() -> None:
    locker, phone = _accepted()
    assert locker.handshake_hash == _hex("visit", "h")
    assert statements.time_nonce(locker.hello) == _hex("visit", "tnonce")
    result = phone.read_result(_hex("visit", "message3"))
    assert (result.code, result.comp) == (0, 3)
    assert result.is_vouched_by(KEYS["locker_ed25519_public"], LID)
    assert handshake.encode_report(result, is_event=False) == _hex("visit", "message3_plain")


def test_request_proves_its_holder_over_the_frozen_handshake_hash() -> None:
    asked = handshake.parse_request(_hex("visit", "message2_plain"))
    message = handshake.proof_message(_hex("visit", "h"), asked.chain, asked.req)
    assert cose.verify(asked.token.claims.holder, message, asked.pop)


def test_door_events_reopening_and_syncs_run_byte_for_byte() -> None:
    locker, phone = _accepted()
    phone.read_result(_hex("visit", "message3"))
    for event in ("door_opened", "door_closed"):
        assert locker.seal(_hex("visit", event, "plain")) == _hex("visit", event, "frame")
        report = phone.read_frame(_hex("visit", event, "frame"))
        assert isinstance(report, handshake.Report)
        assert handshake.encode_report(report, is_event=True) == _hex("visit", event, "plain")
    assert phone.write_reopen(3) == _hex("visit", "reopen", "frame")
    asked = handshake.parse_phone_frame(locker.open_frame(_hex("visit", "reopen", "frame")))
    assert asked == handshake.ReopenFrame(3)
    answer = phone.read_frame(_hex("visit", "reopen", "answer"))
    assert isinstance(answer, handshake.Report)
    assert (answer.code, answer.comp) == (0, 3)
    again = locker.seal(handshake.encode_report(answer, is_event=True))
    assert again == _hex("visit", "reopen", "answer")
    _sync(locker, phone, "sync")
    _sync(locker, phone, "ack")


def _sync(locker: handshake.LockerVisit, phone: handshake.PhoneVisit, name: str) -> None:
    frame = locker.open_frame(_hex("visit", name, "frame"))
    asked = handshake.parse_phone_frame(frame)
    assert isinstance(asked, handshake.SyncFrame)
    brought = tuple((statement.type, statement.raw) for statement in asked.statements)
    assert phone.write_sync(brought, asked.max_bytes) == _hex("visit", name, "frame")
    assert locker.seal(_hex("visit", name, "answer_plain")) == _hex("visit", name, "answer")
    answer = phone.read_frame(_hex("visit", name, "answer"))
    assert isinstance(answer, handshake.EnvelopeFrame)
    assert handshake.encode_envelope_frame(answer) == _hex("visit", name, "answer_plain")


def test_transport_keys_are_the_frozen_ones() -> None:
    # The keys stay inside the visit: what they seal by themselves must equal the frozen frames.
    to_phone = Cipher(_hex("visit", "key_locker_to_phone"))
    to_locker = Cipher(_hex("visit", "key_phone_to_locker"))
    assert to_phone.seal(_hex("visit", "message3_plain")) == _hex("visit", "message3")
    assert to_locker.open(_hex("visit", "reopen", "frame")) == encode([2, 3])


@pytest.mark.parametrize("mtu", GIVEN["fragments"]["message2"])
@pytest.mark.parametrize("name", GIVEN["fragments"])
def test_fragments_are_cut_byte_for_byte(name: str, mtu: str) -> None:
    size = gatt.fragment_size(None if mtu == "unknown" else int(mtu))
    frozen = [bytes.fromhex(fragment) for fragment in GIVEN["fragments"][name][mtu]]
    assert gatt.split(_hex("visit", name), size) == frozen
    into = gatt.Reassembler()
    assert [into.take(part, now_s=0.0) for part in frozen][-1] == _hex("visit", name)


def test_journal_is_one_chain_of_the_frozen_heads() -> None:
    head = FIRST_PREV_HEAD
    for seq, (raw, frozen) in enumerate(
        zip(GIVEN["journal"]["entries"], GIVEN["journal"]["heads"], strict=True), 1
    ):
        entry = bytes.fromhex(raw)
        assert parse_entry(entry).encode() == entry
        head = journal.check_chain([entry], lid=LID, first=seq, prev_head=head)
        assert head == bytes.fromhex(frozen)


def test_receipt_is_signed_by_the_locker_byte_for_byte() -> None:
    receipt = GIVEN["journal"]["receipt"]
    head, signature = bytes.fromhex(receipt["head"]), bytes.fromhex(receipt["sig"])
    assert receipt["seq"] == GIVEN["journal"]["accepted_seq"]
    signer = cose.SigningKey(KEYS["locker_ed25519_seed"])
    assert journal.sign_head(signer, LID, receipt["seq"], head) == signature
    terms: dict[str, Any] = {"lid": LID, "head": head, "signature": signature}
    assert journal.verify_head(signer.public, seq=receipt["seq"], **terms)
    assert not journal.verify_head(signer.public, seq=receipt["seq"] + 1, **terms)


def _proved(accepted: journal.Accepted) -> bytes:
    assert accepted.h is not None
    assert accepted.chain_hash is not None
    request = encode([accepted.op, accepted.asked_comp, accepted.code])
    return b"SLK1-pop\0" + accepted.h + accepted.chain_hash + request


def test_delegated_acceptance_convicts_the_one_who_asked() -> None:
    entry = parse_entry(_hex("journal", "accepted_delegated", "entry"))
    accepted = parse_accepted(entry.body)
    chain = (_hex("delegation", "parent"), *accepted.rest)
    assert accepted.chain_hash == hashlib.sha256(b"".join(chain)).digest()
    delegation = unlock.parse_delegation(accepted.rest[0])
    holder = _hex("journal", "accepted_delegated", "token_holder")
    assert delegation.signed.is_signed_by(holder, cose.Aad.DELEGATION)
    assert delegation.holder == _hex("journal", "accepted_delegated", "asked")
    assert accepted.pop is not None
    assert cose.verify(delegation.holder, _proved(accepted), accepted.pop)
    assert not cose.verify(holder, _proved(accepted), accepted.pop)


def test_acceptance_in_the_chain_verifies_with_the_tokens_holder() -> None:
    raw = bytes.fromhex(GIVEN["journal"]["entries"][GIVEN["journal"]["accepted_seq"] - 1])
    accepted = parse_accepted(parse_entry(raw).body)
    assert accepted.chain_hash == hashlib.sha256(_hex("token")).digest()
    assert accepted.pop is not None
    assert cose.verify(DEVICE.public, _proved(accepted), accepted.pop)


def test_acceptance_by_pin_or_qr_code_has_no_handshake() -> None:
    by_pin = parse_accepted(parse_entry(_hex("journal", "accepted_by_pin")).body)
    assert (by_pin.cti, by_pin.h, by_pin.pop, by_pin.chain_hash, by_pin.rest) == (None,) * 4 + ((),)
    by_qr = parse_accepted(parse_entry(_hex("journal", "accepted_by_qr")).body)
    assert (by_qr.h, by_qr.pop, by_qr.rest) == (None, None, ())
    token = unlock.parse_token(_hex("token"))
    assert by_qr.cti == token.claims.cti
    assert by_qr.chain_hash == hashlib.sha256(token.raw).digest()
    for body in (by_pin, by_qr):
        assert parse_accepted(body.as_body()) == body


def _open(envelope: bytes) -> envelopes.Contents:
    outer = envelopes.parse_outer(envelope)
    assert outer.kid == _hex("envelope", "server_kid")
    inner = envelopes.unseal(outer.sealed, KEYS["server_x25519_private"])
    known = {LID: KEYS["locker_ed25519_public"]}
    return envelopes.open_envelope(outer, inner, find_locker_key=known.get)


def test_sampled_envelope_opens_to_the_frozen_contents() -> None:
    contents = _open(_hex("envelope", "sample"))
    readings = [[r.t, r.channel, r.kind, r.value] for r in contents.readings]
    plain = [contents.first, list(contents.entries), contents.head, readings]
    assert decode(_hex("envelope", "z_plain")) == plain


def test_sampled_signature_covers_the_compressed_bytes() -> None:
    packed = hashlib.sha256(_hex("envelope", "z_sample")).digest()
    signature = cose.SigningKey(KEYS["locker_ed25519_seed"]).sign(b"SLK1-up" + LID + packed)
    assert signature == _hex("envelope", "sig_sample")


def test_envelope_of_the_visit_carries_the_whole_chain() -> None:
    answer = decode(_hex("visit", "sync", "answer_plain"))
    assert isinstance(answer, list)
    assert isinstance(answer[1], bytes)
    contents = _open(answer[1])
    head = journal.check_chain(
        contents.entries, lid=LID, first=contents.first, prev_head=FIRST_PREV_HEAD
    )
    assert head == contents.head


@pytest.mark.parametrize("frozen", GIVEN["pin"], ids=lambda pin: str(pin["now"]))
def test_pin_of_the_day_is_the_frozen_one(frozen: dict[str, Any]) -> None:
    secret, stay = bytes.fromhex(frozen["secret"]), StayId(bytes.fromhex(frozen["stay"]))
    assert frozen["now"] // passes.PIN_WINDOW_S == frozen["window"]
    assert passes.pin(secret, stay, frozen["window"]) == frozen["pin"]
    assert passes.is_pin_right(secret, stay, frozen["pin"], frozen["now"])


def test_qr_code_is_shown_and_read_byte_for_byte() -> None:
    now, text = GIVEN["qr"]["now"], GIVEN["qr"]["text"]
    shown = passes.parse_shown_token(text)
    assert shown.token.raw == _hex("token")
    assert shown.is_proved_at(now)
    assert passes.show_token(shown.token.raw, DEVICE, now) == text


def test_tree_of_the_log_has_the_frozen_root_and_proof() -> None:
    tree = GIVEN["tree"]
    leaves = [bytes.fromhex(leaf) for leaf in tree["leaves"]]
    heads = [bytes.fromhex(head) for head in GIVEN["journal"]["heads"]]
    assert [merkle.leaf_data(LID, seq, head) for seq, head in enumerate(heads, 1)] == leaves
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert merkle.tree_root(hashes) == bytes.fromhex(tree["root"])
    proof = [bytes.fromhex(sibling) for sibling in tree["proof"]]
    root = merkle.root_from_inclusion(hashes[tree["index"]], tree["index"], tree["size"], proof)
    assert root == bytes.fromhex(tree["root"])


SEALED = [case for case in GIVEN["cases"] if "code" in case["expect"]]
IN_CLEAR = [case for case in GIVEN["cases"] if "att" in case["expect"]]
assert len(SEALED) + len(IN_CLEAR) == len(GIVEN["cases"])


@pytest.mark.parametrize("case", SEALED, ids=lambda case: str(case["name"]))
def test_case_opens_to_its_plain_bytes_and_only_bad_form_is_refused(case: dict[str, Any]) -> None:
    locker = _locker(bytes.fromhex(case["hello"]))
    assert locker.hello == bytes.fromhex(case["hello"])
    assert locker.open_request(bytes.fromhex(case["message"])) == bytes.fromhex(case["plain"])
    assert locker.handshake_hash == bytes.fromhex(case["h"])
    if case["expect"]["code"] == 1:
        with pytest.raises(Malformed):
            handshake.parse_request(bytes.fromhex(case["plain"]))
    else:
        asked = handshake.parse_request(bytes.fromhex(case["plain"]))
        assert len(asked.pop) == cose.SIGNATURE_SIZE


@pytest.mark.parametrize("case", IN_CLEAR, ids=lambda case: str(case["name"]))
def test_case_that_does_not_open_is_refused_in_clear(case: dict[str, Any]) -> None:
    message = bytes.fromhex(case["message"])
    if case["expect"]["att"] == gatt.AttError.TOO_LARGE:
        assert len(message) > gatt.MAX_MESSAGE
    with pytest.raises(Malformed):
        _locker(bytes.fromhex(case["hello"])).open_request(message)
