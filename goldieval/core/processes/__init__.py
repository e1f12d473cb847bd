"""Several processes that share work: how they were started, how they meet, and what they tell each other."""
