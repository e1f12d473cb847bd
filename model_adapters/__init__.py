"""Adapters, one file per model family; each is found through an entry point of the group ``goldieval.models``."""
