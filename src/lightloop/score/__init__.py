"""The ML Test Score of a clone: which of Breck et al.'s 28 tests hold here, which fail, what a person owes."""
