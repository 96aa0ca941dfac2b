"""Measures how often Forebear is right and how fast it is; prints tables, passes no judgement."""
