"""Corruptions of pictures: own code for the kinds of ImageNet-C (Hendrycks & Dietterich 2019), and written words.

Each kind is a function of a picture (float64, (height, width, 3), in 0..1), a severity from 1 to 5 and a generator of
random numbers, and returns a picture of the same shape, whose values may leave 0..1. The strengths are those of the
released ImageNet-C/create_c/make_imagenet_c.py (hendrycks/robustness), which are tuned for a side of 224 pixels.
"""
