"""Training data: where samples come from, how captions and crops are drawn from them, how they become a batch."""
