"""The rules of LottoChain in plain Python: no network, no chain, the standard library only."""
