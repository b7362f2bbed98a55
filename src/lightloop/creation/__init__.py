"""`lightloop new`: a network, task, metric or stage as a start that works, with its test, config and page entry."""
