"""The keeper: watches lotteries, reports their results and drives the betting contracts."""
