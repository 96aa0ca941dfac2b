"""How often the tests are right: ``python -m benchmarks.accuracy [null|checks|retention|positives|power|all]``."""
