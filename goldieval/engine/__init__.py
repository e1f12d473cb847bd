"""One run: plan the work, encode once, score, and write records."""
