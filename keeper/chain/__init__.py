"""The chain: markets, events, transactions, keys, deployment records."""
