"""Painted sets: which images are made, by whom, in which order, and what is written of them."""
