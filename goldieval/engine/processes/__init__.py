"""Evaluation by several processes: how they were started, how they meet, and what they tell each other."""
