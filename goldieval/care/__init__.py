"""Data that look after themselves: what ``goldieval data`` does, without its screen."""
