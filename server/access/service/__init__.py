"""The use-cases of access: statements, grants and their tokens, bundles, facts about them."""
