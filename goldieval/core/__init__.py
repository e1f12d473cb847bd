"""Low-level helpers that every other part may use and that know none of them."""
