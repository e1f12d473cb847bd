"""One module per kind of metric: a file that is added here is found by ``goldieval.metrics.registry``."""
