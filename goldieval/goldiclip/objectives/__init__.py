"""Training objectives as functions of features, one file per idea; ``losses.py`` gives them their names."""
