"""`lightloop simulate`: production on fast forward, in a copy of the project: traffic, drift, alarm, retrain, recovery.

Real parts throughout: a service and its HTTP, the log, the monitor, the loop, the registry. Only the records drift by a
plan, and the clock is turned instead of waited for.
"""
