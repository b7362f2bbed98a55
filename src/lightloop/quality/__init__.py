"""The data check: a table of what is known of each record, and the expectations that it has to meet."""
