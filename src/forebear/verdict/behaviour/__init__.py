"""From models' answers to a result: pairs, what strangers score, what would have been found, and the words for it."""
