"""Results on behaviour, rendered: pairs of answer files, and a module for each live test."""
