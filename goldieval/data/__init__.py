"""Where samples come from: one module per layout of files, and the built-in world."""
