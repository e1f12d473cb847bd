"""What a person sees of a task before measuring it: samples, classes, texts, sizes, duplicates."""
