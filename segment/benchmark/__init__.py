"""The benchmark: every arm on the same splits, gains with intervals, a verdict, a report."""
