"""Shards that are read from beginning to end: from web servers, object stores and the output of commands."""
