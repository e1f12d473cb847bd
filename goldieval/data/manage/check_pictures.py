"""The check of all images before a card is written: their headers, and a sample decoded."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.image_source import EncodedImage, FileImage, NoImage
from goldieval.data.samples import Dataset, ImageSample

SAMPLE = 16  # number of images that are decoded before a card is written


def check_pictures(dataset: Dataset) -> list[str]:
    """Check the header of every image and decode an evenly spaced sample; return the paths of missing images.

    Raises:
        TaskError: Files are not images, or all are missing; names the first.
    """
    images = [image for image in dataset.images if not isinstance(image.source, NoImage)]
    lacking = [image.shown_name for image in images if _lacks(image)]
    there = [image for image in images if not _lacks(image)]
    if images and not there:
        raise TaskError(f"none of the {len(images):,} images exists: {listing(lacking)}.")
    decoded = {id(image) for image in there[:: max(1, len(there) // SAMPLE)]}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults_of = pool.map(lambda image: _fault(image, id(image) in decoded), there)
        found = list(tracked(faults_of, "checking images", len(there)))
    faults = [f"{image.shown_name} ({fault})" for image, fault in zip(there, found, strict=True) if fault]
    if faults:
        raise TaskError(f"{len(faults):,} of {len(images):,} images cannot be read: {listing(faults)}.")
    return lacking


def _lacks(image: ImageSample) -> bool:
    return isinstance(image.source, FileImage) and not os.path.lexists(image.source.file)


def _fault(image: ImageSample, whole: bool) -> str:
    try:
        if whole or not isinstance(image.source, EncodedImage):
            image.source.open()
        else:
            image.source.check()
    except OSError as error:
        return str(error.strerror or error)
    return ""
