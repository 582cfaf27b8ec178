"""A whole round on a local chain, with local publishers that can be made to misbehave."""
