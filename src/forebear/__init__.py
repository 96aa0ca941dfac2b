"""Forebear finds out which model a model descends from, and says so only as strongly as the evidence allows."""

__version__ = "0.1.0"
