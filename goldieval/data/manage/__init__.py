"""Implementation of ``goldieval data``, without its output."""
