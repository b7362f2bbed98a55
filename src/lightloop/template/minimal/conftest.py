"""Tests of the small project train and run DVC: tests/template/minimal runs them in a project, in the slow tier."""

collect_ignore = ["tests"]
