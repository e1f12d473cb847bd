"""A headless Chromium for tests of pages, driven through a pipe without a driver package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium")


class Page:
    """One page. ``errors`` are console errors, exceptions, and requests other than for the file itself."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._buffer, self._count = to, back, b"", 0
        self.errors: list[str] = []
        self._session = ""
        self._scripted = True

    def call(self, method: str, **params: Any) -> Any:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._count:
                assert "error" not in found, found
                return found["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            got = os.read(self._back, 1 << 16)
            assert got, "Chromium has gone"
            self._buffer += got
        raw, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(raw)
        self._watch(found.get("method", ""), found.get("params", {}))
        return found

    def _watch(self, method: str, params: dict[str, Any]) -> None:
        if method in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.errors.append(json.dumps(params))
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(json.dumps(params["args"]))
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.errors.append(params["request"]["url"])

    def open(self, file: Path) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")
        self.load(file.resolve().as_uri())

    def load(self, address: str) -> None:
        """Load an address in the open page, also the one that it shows already, and wait for it."""
        self.run("window.beforeLoading = true")
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + 300
        while self.run("document.readyState !== 'complete' || window.beforeLoading === true"):
            assert time.monotonic() < deadline, "the page does not load"
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression on the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until the page is laid out and its observers have run; without scripts there are none."""
        if self._scripted:
            self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the open page a window of ``width`` by ``height`` CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.settle()

    def scheme(self, name: str, medium: str = "") -> None:
        """Let the reader prefer the colour scheme ``light`` or ``dark``; ``medium`` may be ``print``."""
        preference = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", media=medium, features=[preference])
        self.settle()

    def scripts(self, enabled: bool) -> None:
        """Switch the scripts of the page off or on, and load it again; ``run`` works in both cases."""
        self._scripted = enabled
        self.call("Emulation.setScriptExecutionDisabled", value=not enabled)
        self.load(self.run("location.href"))

    def hover(self, selector: str) -> None:
        """Move the mouse onto the middle of the first element of a CSS selector, scrolled into view."""
        x, y = self._middle(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, selector: str) -> None:
        """Click on the middle of the first element of a CSS selector, as a person does."""
        self.hover(selector)
        x, y = self._middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def tap(self, selector: str) -> None:
        """Touch the middle of the first element of a CSS selector."""
        x, y = self._middle(selector)
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.call("Emulation.setTouchEmulationEnabled", enabled=False)
        self.settle()

    def press(self, key: str) -> None:
        """Press a key that types no text, such as ``Tab``, ``Escape`` or ``ArrowRight``."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {}
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)
        self.settle()

    def screenshot(self, file: Path, whole: bool = True) -> None:
        """Write a PNG of the whole page, or of its window only."""
        height = min(self.call("Page.getLayoutMetrics")["cssContentSize"]["height"], 16_000)
        clip = {"x": 0, "y": 0, "width": self.run("innerWidth"), "height": height, "scale": 1}
        area = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **area)["data"]))

    def _middle(self, selector: str) -> tuple[float, float]:
        found = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); if (!one) return null;"
            "one.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const at = one.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; })()"
        )
        assert found, f"the page has no {selector}"
        return found[0], found[1]


@contextmanager
def browser(home: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own and end that process afterwards."""
    assert CHROMIUM
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --remote-debugging-pipe"
    command = f'exec "$0" {flags} --user-data-dir="$1" about:blank 3<&{in_read} 4>&{out_write}'
    process = subprocess.Popen(
        ["bash", "-c", command, CHROMIUM, str(home)],
        pass_fds=(in_read, out_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(in_read)
    os.close(out_write)
    page = Page(in_write, out_read)
    try:
        yield page
    finally:
        with suppress(AssertionError, OSError):
            page._session = ""
            page.call("Browser.close")
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        os.close(in_write)
        os.close(out_read)
