"""Which of two models is better, from their records alone: sides, pairs of records, tests, verdicts, flips."""
