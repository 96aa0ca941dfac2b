"""The forms answers are kept in, one module each: from the lines or members of a file to answers."""
