"""One file a model family; each is found through its entry point in the group ``goldieval.models``."""
