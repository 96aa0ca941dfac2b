"""Two published disputes, re-enacted on tiny models that come with Forebear."""
