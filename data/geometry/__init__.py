"""Shapes and the pixels that belong to them: a pixel does if its centre lies inside."""
