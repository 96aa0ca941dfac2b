"""One test a file, each a function from what it needs to a finding; how one is added is in `registry`."""
