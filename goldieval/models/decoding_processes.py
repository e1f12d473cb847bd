"""Decoders in processes of their own, for many cores: threads wait for each other's Python code.

While a picture is read, decoded and preprocessed, Python's lock is held for about a fifth of the time, so that threads
decode at most about five times as fast as one thread does (``benchmarks/pipeline.py`` measures it).
"""

from __future__ import annotations

import inspect
import logging
import mmap
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from goldieval.data.corruptions.corrupted import CorruptedImage
from goldieval.data.cropped import CroppedImage
from goldieval.data.image_source import EncodedBytes, EncodedImage, ImageSource
from goldieval.data.kept_bytes import KEPT
from goldieval.data.parquet_images import ParquetImage
from goldieval.models.decoder_process import REGION_BYTES, Shared, tensor_at
from goldieval.models.decoders import Pixels, Preprocess, Threads, prepared

LOG = logging.getLogger("goldieval")

GROUP = 8  # images for which a worker is asked at a time
MOST_PICKLED = 1_000_000  # bytes of a preprocessing that travels; more is probably the model itself
START = "import sys; sys.path[:] = sys.argv[1].split('\\n'); " + (
    "from goldieval.models.decoder_process import main; main(sys.argv[2:])"
)


def travels(preprocess: Preprocess) -> bytes | None:
    """Return a preprocessing as it is sent to other processes, or None if it cannot be."""
    if not hasattr(os, "memfd_create") or not hasattr(os, "fork") or inspect.ismethod(preprocess):
        return None
    try:
        content = pickle.dumps(preprocess)
    except Exception as error:  # a function in a function, a lambda, an open file …
        LOG.debug("decoding in threads, since the preprocessing cannot be sent to processes: %s", error)
        return None
    return content if len(content) <= MOST_PICKLED and b"__main__" not in content else None


@dataclass
class _Worker:
    connection: Connection
    region: mmap.mmap

    def ask(self, images: bytes) -> list[Pixels]:
        """Return the results of a process for what ``_packed`` returned. Raises EOFError or OSError if it has ended."""
        self.connection.send_bytes(images)
        answers = self.connection.recv()
        return [tensor_at(self.region, each).clone() if isinstance(each, Shared) else each for each in answers]


class Processes:
    """Decoders in processes. Until they are ready, and for what cannot be sent to them, threads decode."""

    def __init__(self, preprocess: Preprocess, workers: list[_Worker], pool: ThreadPoolExecutor) -> None:
        """Decode in processes that are being started.

        Args:
            preprocess: The model's preprocessing.
            workers: One for each process.
            pool: As many threads, which talk to the processes.
        """
        self._preprocess, self._pool = preprocess, pool
        self._starting, self._lock = workers, threading.Lock()
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def wait(self) -> None:
        """Wait until every process is ready, or has ended."""
        for worker in self._starting:
            worker.connection.poll(None)

    def submit(self, images: Sequence[tuple[str, ImageSource]]) -> list[Future[Pixels]]:
        futures: list[Future[Pixels]] = [Future() for _ in images]
        for start in range(0, len(images), GROUP):
            self._pool.submit(self._run, images[start : start + GROUP], futures[start : start + GROUP])
        return futures

    def _run(self, images: Sequence[tuple[str, ImageSource]], futures: Sequence[Future[Pixels]]) -> None:
        if all(future.cancelled() for future in futures):
            return
        try:
            results = self._results(images)
        except BaseException as error:  # as in a pool of threads, it is raised where the result is awaited
            for future in futures:
                with suppress(Exception):
                    future.set_exception(error)
            return
        for future, result in zip(futures, results, strict=True):
            if future.set_running_or_notify_cancel():
                future.set_result(result)

    def _results(self, images: Sequence[tuple[str, ImageSource]]) -> list[Pixels]:
        worker = self._ready()
        packed = _packed(images) if worker is not None else None
        if worker is not None and packed is None:
            self._idle.put(worker)
        elif worker is not None and packed is not None:
            try:
                results = worker.ask(packed)
                self._idle.put(worker)
                return results
            except Exception as error:  # the process was killed
                LOG.debug("decoding in a thread: %s", error)
                worker.connection.close()
        return [prepared(self._preprocess, key, source) for key, source in images]

    def _ready(self) -> _Worker | None:
        with self._lock:
            for worker in list(self._starting):
                if worker.connection.poll():
                    self._starting.remove(worker)
                    self._take(worker)
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return None

    def _take(self, worker: _Worker) -> None:
        """Take a process that is ready."""
        try:
            worker.connection.recv()
            self._idle.put(worker)
        except (EOFError, OSError) as error:
            LOG.debug("a decoding process ended before it was ready, threads decode: %s", error)


def _packed(images: Sequence[tuple[str, ImageSource]]) -> bytes | None:
    """Return images as they are sent, or None if one of them cannot be read or sent: a thread reports what is wrong."""
    try:
        return pickle.dumps([(key, _travelling(key, source)) for key, source in images])
    except Exception as error:
        LOG.debug("decoding in a thread: %s", error)
        return None


def _travelling(key: str, source: ImageSource) -> ImageSource:
    """Return a source that can be sent: bytes that were kept or that are part of a table travel themselves."""
    if isinstance(source, CorruptedImage):
        return replace(source, original=_travelling("", source.original))
    if isinstance(source, CroppedImage):
        picture = _travelling(key, source.picture)
        return replace(source, picture=picture) if isinstance(picture, EncodedImage) else source
    if not isinstance(source, EncodedImage):
        return source
    content = KEPT.taken(key)
    if content is None and isinstance(source, ParquetImage):
        content = source.read()
    return EncodedBytes(content) if content is not None else source


@contextmanager
def decoding_in_processes(preprocess: Preprocess, content: bytes, workers: int) -> Iterator[Threads | Processes]:
    """Yield decoders in processes, which have ended when the block is left; in threads if no process can be started.

    Args:
        preprocess: The model's preprocessing.
        content: What ``travels`` returned for it.
        workers: Number of threads that decode or talk to processes, and of processes, if as many files may be open.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            server, ours = _started(content, min(workers, _most_processes()))
        except OSError as error:  # a limit on processes, files or memory
            LOG.warning("decoding in threads, since processes for it cannot be started: %s", error)
            yield Threads(preprocess, pool)
            return
        try:
            yield Processes(preprocess, list(ours), pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for worker in ours:
                worker.connection.close()
            with suppress(subprocess.TimeoutExpired):
                server.wait(timeout=5)
            server.kill()
            server.wait()


def _most_processes() -> int:
    """Return for how many processes connection and memory (four files while they start) take half of the files."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, most // 8) if most != resource.RLIM_INFINITY else sys.maxsize


def _started(content: bytes, count: int) -> tuple[subprocess.Popen[bytes], list[_Worker]]:
    """Return the process that forks the workers, and its workers. Raises OSError if it cannot be started."""
    with ExitStack() as given, ExitStack() as kept:
        ours, theirs = [], []
        for _ in range(count):
            here, there = (Connection(each.detach()) for each in socket.socketpair())
            kept.callback(here.close)
            given.callback(there.close)
            region = _memory(given, "goldieval", REGION_BYTES)
            ours.append(_Worker(here, mmap.mmap(region, REGION_BYTES)))
            theirs.append((there.fileno(), region))
        sent = _memory(given, "goldieval preprocessing", 0)
        os.pwrite(sent, content, 0)
        server = subprocess.Popen(
            [sys.executable, "-c", START, "\n".join(sys.path), str(sent), *(f"{one}:{two}" for one, two in theirs)],
            pass_fds=[sent, *(descriptor for pair in theirs for descriptor in pair)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process alone
        )
        kept.pop_all()
        return server, ours


def _memory(stack: ExitStack, name: str, size: int) -> int:
    """Return a descriptor of memory that other processes may share; it is closed with the stack."""
    descriptor = os.memfd_create(name)
    stack.callback(os.close, descriptor)
    os.ftruncate(descriptor, size)
    return descriptor
