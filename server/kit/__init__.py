"""Tools that know no vertical: settings, time, database, keys, sign-in tokens, the GraphQL edge."""
