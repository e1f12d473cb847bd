"""Bringing a source's files into its folder: whole, verified and written down, or not at all."""
