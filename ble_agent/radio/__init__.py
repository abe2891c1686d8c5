"""The locker's side of the air: one port and what stands behind it. No protocol is known here."""
