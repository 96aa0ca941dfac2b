"""Pure functions on arrays: permutation moments, coin bounds, matching, retention, combination of p-values.

Nothing here knows what a checkpoint is; alignment and evidence both stand on it.
"""
