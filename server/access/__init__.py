"""Who may open what: grants, unlock tokens, revocations, and every statement the server signs."""
