"""Errors, files, locks, paths and display, which every other package may import; they import none of the others."""
