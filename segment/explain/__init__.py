"""Why a model said what it said: what drove it, how sure it is, what it resembles, and what a plain rule says."""
