"""The small project: one table, one loop, under 2,500 lines. `small.make_small` makes it of a tree of the template."""
