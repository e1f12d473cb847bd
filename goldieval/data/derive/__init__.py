"""Data that papers derive from other data: pure functions, one idea a file, and the steps by which cards name them."""
