"""Findings to claims: combination, power and the six verdicts. No test lives here."""
