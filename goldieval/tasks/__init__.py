"""Task cards, their parameters and prompts, and the catalogue that finds them."""
