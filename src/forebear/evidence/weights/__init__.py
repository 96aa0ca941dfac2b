"""Tests on weights: labels, signs, invariants, identity, retention, residual; one file each."""
