"""Data that papers derive from other data: pure functions, one per file, and the steps by which cards name them."""
