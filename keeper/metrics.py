"""What can be measured of a running keeper, for Prometheus. Any part may count here."""

from functools import partial

from prometheus_client import Counter, Gauge

_counter = partial(Counter, namespace="lottochain")
_gauge = partial(Gauge, namespace="lottochain")
_SOURCE = ("source", "game")

# ---- sources

ANSWERS = _counter("source_answers", "Drawn, pending, or a failure", (*_SOURCE, "outcome"))
DISAGREEMENTS = _counter("source_disagreements", "Sources that gave another draw", _SOURCE)
CHANGES = _counter("source_changes", "Sources that took back a draw they gave", _SOURCE)

# ---- chain

HEAD = _gauge("head_block", "The newest block whose events were read")
HEAD_TIME = _gauge("head_timestamp_seconds", "Its time")
REORGANIZATIONS = _counter("reorganizations", "Blocks read that the chain no longer has")
NODE_UP = _gauge("node_up", "Whether a node answers, of the right chain, near its head", ["node"])

# ---- transactions

TRANSACTIONS = _counter("transactions", "Of this key, by what became of them", ["state"])
GAS_SPENT = _counter("gas_spent_wei", "Paid for gas")
BALANCE = _gauge("balance_wei", "Of the key's account")

# ---- duties

DUTIES = _counter("duties", "By what became of them", ("duty", "game", "outcome"))
LATE = _gauge("duties_late", "Duties that are due and were put off", ["game"])
LEASE = _gauge("lease_held", "Whether this keeper may send with its key")
EPOCH = _gauge("lease_epoch", "Of the lease when it was last taken")

# ---- feed

FEED_CONNECTIONS = _gauge("feed_connections", "Open websockets")
FEED_SUBSCRIPTIONS = _gauge("feed_subscriptions", "Of open websockets", ["channel"])
FEED_MESSAGES = _counter("feed_messages", "To clients; what is told together counts once")
FEED_LEFT_OUT = _counter("feed_left_out", "Of these, not sent: the client reads too slowly")
FEED_ABORTED = _counter("feed_aborted", "Clients cut off: stalled, or too much unread", ["reason"])
FEED_REFUSED = _counter("feed_refused", "Clients sent away, by error code", ["reason"])
