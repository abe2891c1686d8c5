"""The one way in for what lockers say: sealed envelopes, brought by anybody, opened here."""
