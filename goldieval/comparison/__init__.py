"""Comparison of two models by their records: sides, pairs of records, tests, verdicts and flipped queries."""
