"""What ``goldieval data`` does, without its screen."""
