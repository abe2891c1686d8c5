"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this state."""
    op.create_table(
        "carriers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carriers")),
        sa.UniqueConstraint("name", name=op.f("uq_carriers_name")),
    )
    op.create_table(
        "chain_heads",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("forked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("lid", name=op.f("pk_chain_heads")),
    )
    op.create_table(
        "contradicting_entries",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lid", "seq", "head", name=op.f("pk_contradicting_entries")),
    )
    op.create_table(
        "journal_entries",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("t", sa.BigInteger(), nullable=False),
        sa.Column("clockq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("prev_head", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("comp", sa.Integer(), nullable=True),
        sa.Column("stay", sa.LargeBinary(), nullable=True),
        sa.Column("cti", sa.LargeBinary(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lid", "seq", "t", name=op.f("pk_journal_entries")),
    )
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_journal_entries_lid_comp_seq", ["lid", "comp", "seq"], unique=False
        )
        batch_op.create_index("ix_journal_entries_stay", ["stay"], unique=False)
        batch_op.create_index(
            "ix_journal_entries_cti",
            ["cti"],
            unique=False,
            postgresql_where=sa.text("cti IS NOT NULL"),
            sqlite_where=sa.text("cti IS NOT NULL"),
        )

    op.create_table(
        "own_subjects",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_own_subjects")),
    )
    with op.batch_alter_table("own_subjects", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_own_subjects_subject_id"), ["subject_id"], unique=False
        )

    op.create_table(
        "registered_tokens",
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("cti", name=op.f("pk_registered_tokens")),
    )
    op.create_table(
        "key_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("audience", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_sets")),
        sa.UniqueConstraint("seq", name=op.f("uq_key_sets_seq")),
    )
    op.create_table(
        "locker_readings",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("t", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lid", "t", "channel", "kind", name=op.f("pk_locker_readings")),
    )
    op.create_table(
        "signed_heads",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lid", "seq", name=op.f("pk_signed_heads")),
    )
    op.create_table(
        "log_waiting",
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lid", "seq", name=op.f("pk_log_waiting")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("log_waiting", schema=None) as batch_op:
        batch_op.create_index("ix_log_waiting_queued_at", ["queued_at"], unique=False)

    op.create_table(
        "log_leaves",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log_leaves")),
        sa.UniqueConstraint("lid", "seq", name=op.f("uq_log_leaves_lid_seq")),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_tiles")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
    )
    op.create_table(
        "log_cosignatures",
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("witness", "size", name=op.f("pk_log_cosignatures")),
    )
    op.create_table(
        "log_troubles",
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("is_split", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("witness", name=op.f("pk_log_troubles")),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_anchors",
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        sa.Column("fee_wei", sa.BigInteger(), nullable=True),
        sa.Column("tip_wei", sa.BigInteger(), nullable=True),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column("block_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("chain_id", "contract", "size", name=op.f("pk_log_anchors")),
    )
    with op.batch_alter_table("log_anchors", schema=None) as batch_op:
        batch_op.create_index(
            "ix_log_anchors_place", ["chain_id", "contract", "place"], unique=False
        )

    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("timed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("revived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forgiven", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_due",
            ["not_before"],
            unique=False,
            postgresql_where=sa.text("state = 'PENDING'"),
            sqlite_where=sa.text("state = 'PENDING'"),
        )
        batch_op.create_index("ix_outbox_settled", ["state", "settled_at"], unique=False)

    op.create_table(
        "partners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("legal_name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("legal_name", name=op.f("uq_partners_legal_name")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasure_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    with op.batch_alter_table("people", schema=None) as batch_op:
        batch_op.create_index(
            "ix_people_erasing",
            ["id"],
            unique=False,
            postgresql_where=sa.text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
            sqlite_where=sa.text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
        )
    op.create_table(
        "sign_in_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_requests")),
    )
    with op.batch_alter_table("sign_in_requests", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sign_in_requests_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "signed_statements",
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "seq", name=op.f("pk_signed_statements")),
    )
    with op.batch_alter_table("signed_statements", schema=None) as batch_op:
        batch_op.create_index(
            "ix_signed_statements_audience", ["audience", "kind", "seq"], unique=False
        )

    op.create_table(
        "statement_counters",
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_statement_counters")),
    )
    op.create_table(
        "used_proofs",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_proofs")),
    )
    with op.batch_alter_table("used_proofs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_proofs_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("carrier_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["carrier_id"], ["carriers.id"], name=op.f("fk_api_keys_carrier_id_carriers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_carrier_id"), ["carrier_id"], unique=False)

    op.create_table(
        "contact_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_contact_addresses_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_addresses")),
        sa.UniqueConstraint("kind", "address", name=op.f("uq_contact_addresses_kind_address")),
    )
    with op.batch_alter_table("contact_addresses", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_contact_addresses_person_id"), ["person_id"], unique=False
        )

    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("thumbprint", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmation", sa.String(length=32), nullable=True),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("push_kind", sa.String(length=32), nullable=True),
        sa.Column("push_target", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_devices_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("thumbprint", name=op.f("uq_devices_thumbprint")),
    )
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_devices_person_id"), ["person_id"], unique=False)

    op.create_table(
        "hubs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("street", sa.String(length=120), nullable=False),
        sa.Column("postal_code", sa.String(length=16), nullable=False),
        sa.Column("city", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("wheelchair_access", sa.Boolean(), nullable=False),
        sa.Column("low_connectivity", sa.Boolean(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("further_extensions", sa.Integer(), nullable=False),
        sa.Column("further_below_percent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_hubs_partner_id_partners")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hubs")),
    )
    with op.batch_alter_table("hubs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hubs_partner_id"), ["partner_id"], unique=False)

    op.create_table(
        "memberships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_memberships_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memberships_person_id"), ["person_id"], unique=False)

    op.create_table(
        "preferences",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_preferences_person_id_people")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_preferences")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("is_fallback", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_notices_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint(
            "subject",
            "kind",
            "version",
            "channel",
            name=op.f("uq_notices_subject_kind_version_channel"),
        ),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_person_id"), ["person_id", "id"], unique=False)

    op.create_table(
        "hub_closures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_planned", sa.Boolean(), nullable=False),
        sa.Column("shifts_deadlines", sa.Boolean(), nullable=False),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_hub_closures_days")),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_hub_closures_hub_id_hubs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_closures")),
    )
    with op.batch_alter_table("hub_closures", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_hub_closures_hub_id"), ["hub_id", "last_day"], unique=False
        )

    op.create_table(
        "hub_openings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens_minute", sa.Integer(), nullable=False),
        sa.Column("closes_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint("opens_minute < closes_minute", name=op.f("ck_hub_openings_span")),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_hub_openings_hub_id_hubs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_openings")),
        sa.UniqueConstraint(
            "hub_id",
            "weekday",
            "opens_minute",
            name=op.f("uq_hub_openings_hub_id_weekday_opens_minute"),
        ),
    )
    op.create_table(
        "lockers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("noise_public", sa.LargeBinary(), nullable=False),
        sa.Column("sign_public", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_pin_secret", sa.LargeBinary(), nullable=False),
        sa.Column("has_keypad", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("last_fact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clock_quality", sa.Integer(), nullable=True),
        sa.Column("revocation_seq", sa.BigInteger(), nullable=False),
        sa.Column("key_set_seq", sa.BigInteger(), nullable=False),
        sa.Column("configuration_seq", sa.BigInteger(), nullable=False),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_lockers_hub_id_hubs")),
        sa.ForeignKeyConstraint(
            ["replaced_by"], ["lockers.id"], name=op.f("fk_lockers_replaced_by_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lockers")),
        sa.UniqueConstraint("lid", name=op.f("uq_lockers_lid")),
        sa.UniqueConstraint("noise_public", name=op.f("uq_lockers_noise_public")),
        sa.UniqueConstraint("replaced_by", name=op.f("uq_lockers_replaced_by")),
        sa.UniqueConstraint("serial", name=op.f("uq_lockers_serial")),
        sa.UniqueConstraint("sign_public", name=op.f("uq_lockers_sign_public")),
    )
    with op.batch_alter_table("lockers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lockers_hub_id"), ["hub_id"], unique=False)

    op.create_table(
        "compartments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=8), nullable=False),
        sa.Column("side", sa.String(length=32), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("column", sa.Integer(), nullable=False),
        sa.Column("width_mm", sa.Integer(), nullable=False),
        sa.Column("height_mm", sa.Integer(), nullable=False),
        sa.Column("depth_mm", sa.Integer(), nullable=False),
        sa.Column("sill_height_mm", sa.Integer(), nullable=False),
        sa.Column("climate_zone", sa.String(length=32), nullable=False),
        sa.Column("allocation", sa.String(length=32), nullable=False),
        sa.Column("door", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("climate", sa.String(length=32), nullable=False),
        sa.Column("doubted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("number BETWEEN 1 AND 255", name=op.f("ck_compartments_number")),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_compartments_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compartments")),
        sa.UniqueConstraint("locker_id", "label", name=op.f("uq_compartments_locker_id_label")),
        sa.UniqueConstraint("locker_id", "number", name=op.f("uq_compartments_locker_id_number")),
    )
    with op.batch_alter_table("compartments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_compartments_uncooled",
            ["climate"],
            unique=False,
            postgresql_where=sa.text("climate = 'FAULT'"),
            sqlite_where=sa.text("climate = 'FAULT'"),
        )

    op.create_table(
        "climate_facts",
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_quality", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("decidegrees", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_climate_facts_compartment_id_compartments"),
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_climate_facts_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("locker_id", "seq", name=op.f("pk_climate_facts")),
    )
    with op.batch_alter_table("climate_facts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_climate_facts_compartment_id", ["compartment_id", "at"], unique=False
        )

    op.create_table(
        "enrolments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("layout", sa.JSON(), nullable=False),
        sa.Column("has_keypad", sa.Boolean(), nullable=False),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("locker_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_enrolments_hub_id_hubs")),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_enrolments_locker_id_lockers")
        ),
        sa.ForeignKeyConstraint(
            ["replaces"], ["lockers.id"], name=op.f("fk_enrolments_replaces_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolments")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_enrolments_code_hash")),
        sa.UniqueConstraint("locker_id", name=op.f("uq_enrolments_locker_id")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_incidents_hub_id_hubs")),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_incidents_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint(
            "kind",
            "subject_id",
            "locker_id",
            "seq",
            name=op.f("uq_incidents_kind_subject_id_locker_id_seq"),
        ),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incidents_hub_id"), ["hub_id"], unique=False)
        batch_op.create_index(
            "ix_incidents_open",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("resolved_at IS NULL"),
            sqlite_where=sa.text("resolved_at IS NULL"),
        )
        batch_op.create_index(
            "ix_incidents_open_subject",
            ["subject_id"],
            unique=False,
            postgresql_where=sa.text("resolved_at IS NULL"),
            sqlite_where=sa.text("resolved_at IS NULL"),
        )

    op.create_table(
        "parcel_facts",
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("stay", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_parcel_facts_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("locker_id", "seq", name=op.f("pk_parcel_facts")),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_reservations_compartment_id_compartments"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
    )
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_reservations_due",
            ["expires_at"],
            unique=False,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(
            "uq_reservations_live_compartment",
            ["compartment_id"],
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(
            "uq_reservations_live_parcel",
            ["parcel_id"],
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "stays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_stays_compartment_id_compartments"),
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_stays_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stays")),
        sa.UniqueConstraint("name", name=op.f("uq_stays_name")),
    )
    with op.batch_alter_table("stays", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stays_locker_id"), ["locker_id"], unique=False)
        batch_op.create_index(
            "uq_stays_running",
            ["compartment_id"],
            unique=True,
            postgresql_where=sa.text("begun_at IS NOT NULL AND ended_at IS NULL"),
            sqlite_where=sa.text("begun_at IS NOT NULL AND ended_at IS NULL"),
        )

    op.create_table(
        "parcels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("carrier_id", sa.Uuid(), nullable=False),
        sa.Column("tracking_no", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("recipient_contact", sa.String(length=254), nullable=True),
        sa.Column("recipient_name", sa.String(length=120), nullable=True),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column("returns_id", sa.Uuid(), nullable=True),
        sa.Column("dropoff_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("width_mm", sa.Integer(), nullable=False),
        sa.Column("height_mm", sa.Integer(), nullable=False),
        sa.Column("depth_mm", sa.Integer(), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=True),
        sa.Column("climate_zone", sa.String(length=32), nullable=False),
        sa.Column("is_perishable", sa.Boolean(), nullable=False),
        sa.Column("is_age_restricted", sa.Boolean(), nullable=False),
        sa.Column("is_fragile", sa.Boolean(), nullable=False),
        sa.Column("cod_amount", sa.BigInteger(), nullable=True),
        sa.Column("cod_currency", sa.String(length=3), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("planned_hub_id", sa.Uuid(), nullable=False),
        sa.Column("location_kind", sa.String(length=32), nullable=False),
        sa.Column("stay_id", sa.Uuid(), nullable=True),
        sa.Column("is_pass_through", sa.Boolean(), nullable=False),
        sa.Column("is_from_counter", sa.Boolean(), nullable=False),
        sa.Column("available_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_version", sa.Integer(), nullable=False),
        sa.Column("safe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("safe_locker_id", sa.Uuid(), nullable=True),
        sa.Column("safe_seq", sa.BigInteger(), nullable=True),
        sa.Column("pause_cause", sa.String(length=32), nullable=True),
        sa.Column("hold_ended", sa.String(length=32), nullable=True),
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settling_assurance", sa.String(length=32), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assurance", sa.String(length=32), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forget_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'COLLECTED' OR collected_at IS NOT NULL", name=op.f("ck_parcels_collected")
        ),
        sa.ForeignKeyConstraint(
            ["carrier_id"], ["carriers.id"], name=op.f("fk_parcels_carrier_id_carriers")
        ),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_parcels_hub_id_hubs")),
        sa.ForeignKeyConstraint(
            ["planned_hub_id"], ["hubs.id"], name=op.f("fk_parcels_planned_hub_id_hubs")
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["people.id"], name=op.f("fk_parcels_recipient_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["returns_id"], ["parcels.id"], name=op.f("fk_parcels_returns_id_parcels")
        ),
        sa.ForeignKeyConstraint(
            ["safe_locker_id"], ["lockers.id"], name=op.f("fk_parcels_safe_locker_id_lockers")
        ),
        sa.ForeignKeyConstraint(
            ["sender_id"], ["people.id"], name=op.f("fk_parcels_sender_id_people")
        ),
        sa.ForeignKeyConstraint(["stay_id"], ["stays.id"], name=op.f("fk_parcels_stay_id_stays")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcels")),
        sa.UniqueConstraint(
            "carrier_id", "tracking_no", name=op.f("uq_parcels_carrier_id_tracking_no")
        ),
        sa.UniqueConstraint("code", name=op.f("uq_parcels_code")),
    )
    with op.batch_alter_table("parcels", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_parcels_carrier_id"), ["carrier_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_parcels_hub_id"), ["hub_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_parcels_recipient_id"), ["recipient_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_parcels_sender_id"), ["sender_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_parcels_stay_id"), ["stay_id"], unique=False)
        batch_op.create_index(
            "ix_parcels_spoiling",
            ["safe_until"],
            unique=False,
            postgresql_where=sa.text(
                "state IN ('DROPPED_OFF', 'DEPOSITED', 'READY_FOR_PICKUP', 'EXPIRED')"
                " AND safe_until IS NOT NULL"
            ),
            sqlite_where=sa.text(
                "state IN ('DROPPED_OFF', 'DEPOSITED', 'READY_FOR_PICKUP', 'EXPIRED')"
                " AND safe_until IS NOT NULL"
            ),
        )
        batch_op.create_index(
            "ix_parcels_forgetting",
            ["forget_at"],
            unique=False,
            postgresql_where=sa.text("forget_at IS NOT NULL"),
            sqlite_where=sa.text("forget_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_parcels_to_come",
            ["dropoff_through"],
            unique=False,
            postgresql_where=sa.text("state = 'AWAITING_DROPOFF'"),
            sqlite_where=sa.text("state = 'AWAITING_DROPOFF'"),
        )
        batch_op.create_index(
            "ix_parcels_waiting",
            ["available_through"],
            unique=False,
            postgresql_where=sa.text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
            sqlite_where=sa.text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
        )

    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=True),
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("stay", sa.LargeBinary(), nullable=False),
        sa.Column("compartment", sa.Integer(), nullable=True),
        sa.Column("removal", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["holder_id"], ["people.id"], name=op.f("fk_grants_holder_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_grants_locker_id_lockers")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_grants_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index(
            "ix_grants_lapsing",
            ["not_after"],
            unique=False,
            postgresql_where=sa.text("state IN ('ISSUED', 'ACTIVE')"),
            sqlite_where=sa.text("state IN ('ISSUED', 'ACTIVE')"),
        )
        batch_op.create_index("ix_grants_parcel_id_action", ["parcel_id", "action"], unique=False)
        batch_op.create_index("ix_grants_stay", ["stay"], unique=False)

    op.create_table(
        "parcel_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row", sa.String(length=4), nullable=False),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=True),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("locker_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("source_system", sa.String(length=64), nullable=True),
        sa.Column("source_code", sa.String(length=64), nullable=True),
        sa.Column("source_text", sa.Text(), nullable=True),
        sa.Column("mapped", sa.String(length=32), nullable=True),
        sa.Column("through_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through_after", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_parcel_events_locker_id_lockers")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_parcel_events_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcel_events")),
        sa.UniqueConstraint(
            "parcel_id", "locker_id", "seq", name=op.f("uq_parcel_events_parcel_id_locker_id_seq")
        ),
        sa.UniqueConstraint("parcel_id", "number", name=op.f("uq_parcel_events_parcel_id_number")),
    )
    with op.batch_alter_table("parcel_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_parcel_events_unread",
            ["source_system", "source_code"],
            unique=False,
            postgresql_where=sa.text("source_code IS NOT NULL AND mapped IS NULL"),
            sqlite_where=sa.text("source_code IS NOT NULL AND mapped IS NULL"),
        )

    op.create_table(
        "stay_parcels",
        sa.Column("stay_id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("put_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_stay_parcels_parcel_id_parcels")
        ),
        sa.ForeignKeyConstraint(
            ["stay_id"], ["stays.id"], name=op.f("fk_stay_parcels_stay_id_stays")
        ),
        sa.PrimaryKeyConstraint("stay_id", "parcel_id", name=op.f("pk_stay_parcels")),
    )
    with op.batch_alter_table("stay_parcels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stay_parcels_parcel_id"), ["parcel_id"], unique=False)

    op.create_table(
        "issued_tokens",
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("lid", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("iat", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("comps", sa.JSON(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_issued_tokens_grant_id_grants")
        ),
        sa.PrimaryKeyConstraint("cti", name=op.f("pk_issued_tokens")),
    )
    with op.batch_alter_table("issued_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_issued_tokens_device_id", ["device_id"], unique=False)
        batch_op.create_index(
            "ix_issued_tokens_grant_id_device_id", ["grant_id", "device_id"], unique=False
        )
        batch_op.create_index(
            "ix_issued_tokens_revoked",
            ["lid", "exp"],
            unique=False,
            postgresql_where=sa.text("revoked_at IS NOT NULL"),
            sqlite_where=sa.text("revoked_at IS NOT NULL"),
        )

    op.create_table(
        "delegations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("parent", sa.LargeBinary(), nullable=True),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cti"], ["issued_tokens.cti"], name=op.f("fk_delegations_cti_issued_tokens")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_delegations_grant_id_grants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegations")),
        sa.UniqueConstraint("name", name=op.f("uq_delegations_name")),
    )
    with op.batch_alter_table("delegations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delegations_cti"), ["cti"], unique=False)
        batch_op.create_index("ix_delegations_grant_id_id", ["grant_id", "id"], unique=False)

    op.create_table(
        "issued_passes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_issued_passes_grant_id_grants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issued_passes")),
        sa.UniqueConstraint(
            "grant_id", "device_id", "day", name=op.f("uq_issued_passes_grant_id_device_id_day")
        ),
    )
    op.create_table(
        "guest_links",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("passes_allowed", sa.Integer(), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("adopted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["adopted_by"], ["people.id"], name=op.f("fk_guest_links_adopted_by_people")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_guest_links_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("parcel_id", name=op.f("pk_guest_links")),
    )
    op.create_table(
        "emergency_openings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("compartment", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["people.id"], name=op.f("fk_emergency_openings_asked_by_people")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["people.id"], name=op.f("fk_emergency_openings_confirmed_by_people")
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_emergency_openings_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_openings")),
    )
    with op.batch_alter_table("emergency_openings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_emergency_openings_locker_id_id", ["locker_id", "id"], unique=False
        )
    op.create_table(
        "compartment_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row", sa.String(length=4), nullable=False),
        sa.Column("before", sa.String(length=32), nullable=False),
        sa.Column("after", sa.String(length=32), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_compartment_events_compartment_id_compartments"),
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("fk_compartment_events_incident_id_incidents"),
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_compartment_events_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compartment_events")),
        sa.UniqueConstraint(
            "compartment_id",
            "row",
            "locker_id",
            "seq",
            name=op.f("uq_compartment_events_compartment_id_row_locker_id_seq"),
        ),
    )
    with op.batch_alter_table("compartment_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_compartment_events_compartment_id", ["compartment_id", "id"], unique=False
        )
    op.create_table(
        "occupancy_slots",
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("last_look", sa.BigInteger(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("in_use", sa.Integer(), nullable=False),
        sa.Column("usable", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hub_id"], ["hubs.id"], name=op.f("fk_occupancy_slots_hub_id_hubs")
        ),
        sa.PrimaryKeyConstraint("hub_id", "day", "slot", name=op.f("pk_occupancy_slots")),
    )
    with op.batch_alter_table("occupancy_slots", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_occupancy_slots_day"), ["day"], unique=False)
    op.create_table(
        "door_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=False),
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("opened_seq", sa.BigInteger(), nullable=False),
        sa.Column("visit", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occupied_before", sa.Boolean(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_seq", sa.BigInteger(), nullable=True),
        sa.Column("occupied_after", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_door_checks_compartment_id_compartments"),
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_door_checks_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_door_checks")),
        sa.UniqueConstraint(
            "locker_id", "opened_seq", name=op.f("uq_door_checks_locker_id_opened_seq")
        ),
    )
    with op.batch_alter_table("door_checks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_door_checks_compartment_id", ["compartment_id", "id"], unique=False
        )
    op.create_table(
        "assistances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stay_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["people.id"], name=op.f("fk_assistances_staff_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["stay_id"], ["stays.id"], name=op.f("fk_assistances_stay_id_stays")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assistances")),
    )
    with op.batch_alter_table("assistances", schema=None) as batch_op:
        batch_op.create_index("ix_assistances_stay_id_at", ["stay_id", "at"], unique=False)
    op.create_table(
        "handovers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("proof", sa.String(length=32), nullable=False),
        sa.Column("is_age_checked", sa.Boolean(), nullable=False),
        sa.Column("is_cod_paid", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_handovers_hub_id_hubs")),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_handovers_parcel_id_parcels")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["people.id"], name=op.f("fk_handovers_staff_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    with op.batch_alter_table("handovers", schema=None) as batch_op:
        batch_op.create_index("ix_handovers_parcel_id_at", ["parcel_id", "at"], unique=False)
    op.create_table(
        "staff_openings",
        sa.Column("locker_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("compartment", sa.Integer(), nullable=True),
        sa.Column("visit", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("emergency_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["emergency_id"],
            ["emergency_openings.id"],
            name=op.f("fk_staff_openings_emergency_id_emergency_openings"),
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_staff_openings_grant_id_grants")
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_staff_openings_locker_id_lockers")
        ),
        sa.PrimaryKeyConstraint("locker_id", "seq", name=op.f("pk_staff_openings")),
    )
    with op.batch_alter_table("staff_openings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_staff_openings_door", ["locker_id", "compartment", "seq"], unique=False
        )

    op.create_table(
        "reminders",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_reminders_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("parcel_id", name=op.f("pk_reminders")),
    )
    with op.batch_alter_table("reminders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reminders_due_at"), ["due_at"], unique=False)
    op.create_table(
        "habit_counts",
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("counted", sa.JSON(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("level", "subject_id", "part", name=op.f("pk_habit_counts")),
    )
    op.create_table(
        "habit_pasts",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_habit_pasts_person_id_people")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_habit_pasts")),
    )
    op.create_table(
        "habit_pools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kept", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_habit_pools")),
    )
    op.create_table(
        "taught_parcels",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_taught_parcels_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("parcel_id", name=op.f("pk_taught_parcels")),
    )
    with op.batch_alter_table("taught_parcels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_taught_parcels_at"), ["at"], unique=False)
    op.create_table(
        "pickup_windows",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("choice", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hub_id"], ["hubs.id"], name=op.f("fk_pickup_windows_hub_id_hubs")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_pickup_windows_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("parcel_id", name=op.f("pk_pickup_windows")),
    )
    with op.batch_alter_table("pickup_windows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pickup_windows_ends_at"), ["ends_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_pickup_windows_hub_id"), ["hub_id", "starts_at"], unique=False
        )

    op.create_table(
        "parcel_pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("locker_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_parcel_pauses_incident_id_incidents")
        ),
        sa.ForeignKeyConstraint(
            ["locker_id"], ["lockers.id"], name=op.f("fk_parcel_pauses_locker_id_lockers")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_parcel_pauses_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcel_pauses")),
    )
    with op.batch_alter_table("parcel_pauses", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_parcel_pauses_parcel_id"), ["parcel_id", "started_at"], unique=False
        )

    op.create_table(
        "parcel_extensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=True),
        sa.Column("is_by_recipient", sa.Boolean(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("through_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("through_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("limit_percent", sa.Integer(), nullable=True),
        sa.Column("expected_percent", sa.Integer(), nullable=True),
        sa.Column("is_forecast", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_parcel_extensions_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcel_extensions")),
    )
    with op.batch_alter_table("parcel_extensions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_parcel_extensions_parcel_id"), ["parcel_id", "at"], unique=False
        )

    op.create_table(
        "lessons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hub_id", sa.Uuid(), nullable=False),
        sa.Column("arrived_day", sa.Integer(), nullable=False),
        sa.Column("arrived_slot", sa.Integer(), nullable=False),
        sa.Column("collected_day", sa.Integer(), nullable=False),
        sa.Column("collected_slot", sa.Integer(), nullable=False),
        sa.Column("delay", sa.Integer(), nullable=False),
        sa.Column("pooled", sa.JSON(), nullable=False),
        sa.Column("votes", sa.JSON(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["hub_id"], ["hubs.id"], name=op.f("fk_lessons_hub_id_hubs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
    )
    op.create_table(
        "arrival_forecasts",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_arrival_forecasts_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("parcel_id", name=op.f("pk_arrival_forecasts")),
    )
    with op.batch_alter_table("arrival_forecasts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_arrival_forecasts_at"), ["at"], unique=False)

    op.create_table(
        "forecast_scores",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("kept", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_forecast_scores")),
    )
    op.create_table(
        "outages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outages_ended_at"), ["ended_at"], unique=False)

    op.create_table(
        "beats",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_beats")),
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["compartment_id"],
            ["compartments.id"],
            name=op.f("fk_disputes_compartment_id_compartments"),
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_disputes_incident_id_incidents")
        ),
        sa.ForeignKeyConstraint(
            ["opened_by"], ["people.id"], name=op.f("fk_disputes_opened_by_people")
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_disputes_parcel_id_parcels")
        ),
        sa.ForeignKeyConstraint(
            ["resolved_by"], ["people.id"], name=op.f("fk_disputes_resolved_by_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("parcel_id", "party", name=op.f("uq_disputes_parcel_id_party")),
    )
    op.create_table(
        "dispute_evidence",
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("told_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("file_digest", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dispute_id"],
            ["disputes.id"],
            name=op.f("fk_dispute_evidence_dispute_id_disputes"),
        ),
        sa.ForeignKeyConstraint(
            ["parcel_id"], ["parcels.id"], name=op.f("fk_dispute_evidence_parcel_id_parcels")
        ),
        sa.PrimaryKeyConstraint("dispute_id", name=op.f("pk_dispute_evidence")),
    )
    with op.batch_alter_table("dispute_evidence", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dispute_evidence_parcel_id"), ["parcel_id"], unique=False
        )
        batch_op.create_index(
            "ix_dispute_evidence_sealing",
            ["dispute_id"],
            unique=False,
            postgresql_where=sa.text("file_digest IS NULL"),
            sqlite_where=sa.text("file_digest IS NULL"),
        )


def downgrade() -> None:
    """Back to the state before."""
    with op.batch_alter_table("dispute_evidence", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_dispute_evidence_sealing",
            postgresql_where=sa.text("file_digest IS NULL"),
            sqlite_where=sa.text("file_digest IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_dispute_evidence_parcel_id"))

    op.drop_table("dispute_evidence")
    op.drop_table("disputes")
    op.drop_table("beats")
    op.drop_table("forecast_scores")
    with op.batch_alter_table("arrival_forecasts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_arrival_forecasts_at"))

    op.drop_table("arrival_forecasts")
    op.drop_table("lessons")
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outages_ended_at"))

    op.drop_table("outages")
    with op.batch_alter_table("parcel_extensions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parcel_extensions_parcel_id"))

    op.drop_table("parcel_extensions")
    with op.batch_alter_table("parcel_pauses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parcel_pauses_parcel_id"))

    op.drop_table("parcel_pauses")
    with op.batch_alter_table("pickup_windows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pickup_windows_hub_id"))
        batch_op.drop_index(batch_op.f("ix_pickup_windows_ends_at"))
    op.drop_table("pickup_windows")
    with op.batch_alter_table("taught_parcels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_taught_parcels_at"))
    op.drop_table("taught_parcels")
    op.drop_table("habit_pools")
    op.drop_table("habit_pasts")
    op.drop_table("habit_counts")
    with op.batch_alter_table("reminders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reminders_due_at"))

    op.drop_table("reminders")
    with op.batch_alter_table("staff_openings", schema=None) as batch_op:
        batch_op.drop_index("ix_staff_openings_door")
    op.drop_table("staff_openings")
    with op.batch_alter_table("emergency_openings", schema=None) as batch_op:
        batch_op.drop_index("ix_emergency_openings_locker_id_id")
    op.drop_table("emergency_openings")
    with op.batch_alter_table("occupancy_slots", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_occupancy_slots_day"))
    op.drop_table("occupancy_slots")
    with op.batch_alter_table("compartment_events", schema=None) as batch_op:
        batch_op.drop_index("ix_compartment_events_compartment_id")
    op.drop_table("compartment_events")
    with op.batch_alter_table("door_checks", schema=None) as batch_op:
        batch_op.drop_index("ix_door_checks_compartment_id")
    op.drop_table("door_checks")
    with op.batch_alter_table("assistances", schema=None) as batch_op:
        batch_op.drop_index("ix_assistances_stay_id_at")
    op.drop_table("assistances")
    with op.batch_alter_table("handovers", schema=None) as batch_op:
        batch_op.drop_index("ix_handovers_parcel_id_at")
    op.drop_table("handovers")
    op.drop_table("guest_links")
    op.drop_table("issued_passes")
    with op.batch_alter_table("delegations", schema=None) as batch_op:
        batch_op.drop_index("ix_delegations_grant_id_id")
        batch_op.drop_index(batch_op.f("ix_delegations_cti"))

    op.drop_table("delegations")
    with op.batch_alter_table("issued_tokens", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_issued_tokens_revoked",
            postgresql_where=sa.text("revoked_at IS NOT NULL"),
            sqlite_where=sa.text("revoked_at IS NOT NULL"),
        )
        batch_op.drop_index("ix_issued_tokens_grant_id_device_id")
        batch_op.drop_index("ix_issued_tokens_device_id")

    op.drop_table("issued_tokens")
    with op.batch_alter_table("stay_parcels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stay_parcels_parcel_id"))

    op.drop_table("stay_parcels")
    with op.batch_alter_table("parcel_events", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_parcel_events_unread",
            postgresql_where=sa.text("source_code IS NOT NULL AND mapped IS NULL"),
            sqlite_where=sa.text("source_code IS NOT NULL AND mapped IS NULL"),
        )

    op.drop_table("parcel_events")
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.drop_index("ix_grants_stay")
        batch_op.drop_index("ix_grants_parcel_id_action")
        batch_op.drop_index(
            "ix_grants_lapsing",
            postgresql_where=sa.text("state IN ('ISSUED', 'ACTIVE')"),
            sqlite_where=sa.text("state IN ('ISSUED', 'ACTIVE')"),
        )

    op.drop_table("grants")
    with op.batch_alter_table("parcels", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_parcels_waiting",
            postgresql_where=sa.text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
            sqlite_where=sa.text("state IN ('READY_FOR_PICKUP', 'AT_HUB')"),
        )
        batch_op.drop_index(
            "ix_parcels_spoiling",
            postgresql_where=sa.text(
                "state IN ('DROPPED_OFF', 'DEPOSITED', 'READY_FOR_PICKUP', 'EXPIRED')"
                " AND safe_until IS NOT NULL"
            ),
            sqlite_where=sa.text(
                "state IN ('DROPPED_OFF', 'DEPOSITED', 'READY_FOR_PICKUP', 'EXPIRED')"
                " AND safe_until IS NOT NULL"
            ),
        )
        batch_op.drop_index(
            "ix_parcels_forgetting",
            postgresql_where=sa.text("forget_at IS NOT NULL"),
            sqlite_where=sa.text("forget_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_parcels_to_come",
            postgresql_where=sa.text("state = 'AWAITING_DROPOFF'"),
            sqlite_where=sa.text("state = 'AWAITING_DROPOFF'"),
        )
        batch_op.drop_index(batch_op.f("ix_parcels_stay_id"))
        batch_op.drop_index(batch_op.f("ix_parcels_sender_id"))
        batch_op.drop_index(batch_op.f("ix_parcels_recipient_id"))
        batch_op.drop_index(batch_op.f("ix_parcels_hub_id"))
        batch_op.drop_index(batch_op.f("ix_parcels_carrier_id"))

    op.drop_table("parcels")
    with op.batch_alter_table("stays", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_stays_running",
            postgresql_where=sa.text("begun_at IS NOT NULL AND ended_at IS NULL"),
            sqlite_where=sa.text("begun_at IS NOT NULL AND ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_stays_locker_id"))

    op.drop_table("stays")
    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_reservations_live_parcel",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(
            "uq_reservations_live_compartment",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_reservations_due",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("reservations")
    op.drop_table("parcel_facts")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_incidents_open_subject",
            postgresql_where=sa.text("resolved_at IS NULL"),
            sqlite_where=sa.text("resolved_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_incidents_open",
            postgresql_where=sa.text("resolved_at IS NULL"),
            sqlite_where=sa.text("resolved_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_incidents_hub_id"))

    op.drop_table("incidents")
    op.drop_table("enrolments")
    with op.batch_alter_table("climate_facts", schema=None) as batch_op:
        batch_op.drop_index("ix_climate_facts_compartment_id")

    op.drop_table("climate_facts")
    with op.batch_alter_table("compartments", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_compartments_uncooled",
            postgresql_where=sa.text("climate = 'FAULT'"),
            sqlite_where=sa.text("climate = 'FAULT'"),
        )

    op.drop_table("compartments")
    with op.batch_alter_table("lockers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_lockers_hub_id"))

    op.drop_table("lockers")
    op.drop_table("hub_openings")
    with op.batch_alter_table("hub_closures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hub_closures_hub_id"))

    op.drop_table("hub_closures")
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notices_person_id"))

    op.drop_table("notices")
    op.drop_table("preferences")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_memberships_person_id"))

    op.drop_table("memberships")
    with op.batch_alter_table("hubs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hubs_partner_id"))

    op.drop_table("hubs")
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_devices_person_id"))

    op.drop_table("devices")
    with op.batch_alter_table("contact_addresses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_addresses_person_id"))

    op.drop_table("contact_addresses")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_keys_carrier_id"))

    op.drop_table("api_keys")
    with op.batch_alter_table("used_proofs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_used_proofs_expires_at"))

    op.drop_table("used_proofs")
    op.drop_table("statement_counters")
    with op.batch_alter_table("signed_statements", schema=None) as batch_op:
        batch_op.drop_index("ix_signed_statements_audience")

    op.drop_table("signed_statements")
    with op.batch_alter_table("sign_in_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_in_requests_expires_at"))

    op.drop_table("sign_in_requests")
    with op.batch_alter_table("people", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_people_erasing",
            postgresql_where=sa.text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
            sqlite_where=sa.text("erasure_asked_at IS NOT NULL AND erased_at IS NULL"),
        )

    op.drop_table("people")
    op.drop_table("partners")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_settled")
        batch_op.drop_index(
            "ix_outbox_due",
            postgresql_where=sa.text("state = 'PENDING'"),
            sqlite_where=sa.text("state = 'PENDING'"),
        )

    op.drop_table("outbox")
    with op.batch_alter_table("log_anchors", schema=None) as batch_op:
        batch_op.drop_index("ix_log_anchors_place")

    op.drop_table("log_anchors")
    op.drop_table("log_head")
    op.drop_table("log_troubles")
    op.drop_table("log_cosignatures")
    op.drop_table("log_checkpoints")
    op.drop_table("log_tiles")
    op.drop_table("log_leaves")
    with op.batch_alter_table("log_waiting", schema=None) as batch_op:
        batch_op.drop_index("ix_log_waiting_queued_at")

    op.drop_table("log_waiting")
    op.drop_table("signed_heads")
    op.drop_table("locker_readings")
    op.drop_table("key_sets")
    op.drop_table("registered_tokens")
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_journal_entries_cti",
            postgresql_where=sa.text("cti IS NOT NULL"),
            sqlite_where=sa.text("cti IS NOT NULL"),
        )
        batch_op.drop_index("ix_journal_entries_stay")
        batch_op.drop_index("ix_journal_entries_lid_comp_seq")

    op.drop_table("journal_entries")
    op.drop_index("ix_own_subjects_subject_id", table_name="own_subjects")
    op.drop_table("own_subjects")
    op.drop_table("contradicting_entries")
    op.drop_table("chain_heads")
    op.drop_table("carriers")
