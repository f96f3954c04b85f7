"""Answers computed from a stored run, each a pure function of it."""
