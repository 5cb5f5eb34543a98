"""Judging what a painter made: one figure a file, each with the limit that it must keep."""
