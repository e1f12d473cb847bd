"""Presentation of results: terminal output, tables, pages and plots."""
