"""Presentation of results: screens, tables, pages and plots."""
