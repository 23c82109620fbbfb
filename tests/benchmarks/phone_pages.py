"""Time from a tap on a link until a page can be used, on a phone. Run as a module; needs Chromium.

python -m tests.benchmarks.phone_pages [--loads 9]

The profile: 1.6 Mbit/s, 150 ms, a CPU four times slower, 390 x 844, an empty cache. The pages are those of the running
demo with an open peak. The button of the mail opens the inspector's page of the plume. Per page the medians of:

usable  from the start of the navigation until the named part is laid out and the main thread answers
FCP, LCP  first and largest contentful paint
blocked  sum of the parts of main-thread tasks above 50 ms, from the first paint until five seconds after `usable`
moved  cumulative layout shift
kB  bytes over the network
"""

import argparse
import asyncio
import shutil
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from playwright.async_api import Browser, Page, StorageState, async_playwright
from playwright.sync_api import Page as SyncPage

from tests.pictures.camera import open_browser, open_page
from tests.pictures.picture import PHONE
from tests.pictures.stage import Addresses, run_demo

_NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}  # bytes/s
_CPU_SLOWDOWN = 4
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_OBSERVE = """selector => {
    window.measured = { lcp: 0, moved: 0, tasks: [] };
    const observe = (type, take) =>
        new PerformanceObserver(list => list.getEntries().forEach(take)).observe({ type, buffered: true });
    observe("largest-contentful-paint", entry => { measured.lcp = entry.startTime; });
    observe("layout-shift", entry => { if (!entry.hadRecentInput) measured.moved += entry.value; });
    observe("longtask", entry => measured.tasks.push([entry.startTime, entry.duration]));
    const look = () => {
        const part = document.readyState !== "loading" && document.querySelector(selector);
        if (part && part.getClientRects().length) measured.usable = performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
_READ = """() => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const fcp = paint ? paint.startTime : 0;
    const blocked = measured.tasks.filter(([at]) => at > fcp).reduce((sum, [, length]) => sum + length - 50, 0);
    return { usable: measured.usable, fcp, lcp: measured.lcp, blocked, moved: measured.moved };
}"""


@dataclass(frozen=True, kw_only=True)
class MeasuredPage:
    """A page, and the part whose appearance means that it can be used."""

    name: str
    address: str
    part: str
    needs_staff: bool = False


def list_pages(addresses: Addresses) -> list[MeasuredPage]:
    """The pages of the running demo."""
    site = f"{addresses.site}/nl"
    return [
        MeasuredPage(
            name="inspector's plume page, from the mail",
            address=f"{site}/inspector/plumes/{addresses.plume}",
            part="section.act",
            needs_staff=True,
        ),
        MeasuredPage(name="public plume page", address=f"{site}/plumes/{addresses.plume}", part="main h1"),
        MeasuredPage(name="map", address=f"{site}/", part=".situation"),
        MeasuredPage(name="station", address=f"{site}/stations/{addresses.station}", part="main h1"),
    ]


async def measure(browser: Browser, page_: MeasuredPage, staff: StorageState) -> Mapping[str, float]:
    """Load a page once with an empty cache."""
    context = await browser.new_context(
        viewport={"width": 390, "height": 844}, storage_state=staff if page_.needs_staff else None, locale="nl-NL"
    )
    page: Page = await context.new_page()
    session = await context.new_cdp_session(page)
    received = 0

    def count(event: Mapping[str, float]) -> None:
        nonlocal received
        received += int(event["encodedDataLength"])

    await session.send("Network.enable")
    session.on("Network.loadingFinished", count)
    await session.send("Network.emulateNetworkConditions", _NETWORK)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": _CPU_SLOWDOWN})
    await page.add_init_script(f"({_OBSERVE})({page_.part!r})")
    await page.goto(page_.address, wait_until="commit")
    await page.wait_for_function("() => window.measured && measured.usable", timeout=60_000)
    await page.wait_for_timeout(5_000)
    figures: dict[str, float] = await page.evaluate(_READ)
    await context.close()
    return {**figures, "bytes": received}


async def measure_all(pages: list[MeasuredPage], loads: int, staff: StorageState) -> None:
    """Print a line per page: medians, and the slowest `usable`."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("run: apt install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_FLAGS)
        print(f"{'page':40} {'usable':>8} {'slowest':>8} {'FCP':>7} {'LCP':>7} {'blocked':>8} {'moved':>6} {'kB':>5}")
        for page in pages:
            runs = [await measure(browser, page, staff) for _ in range(loads)]
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            slowest = max(run["usable"] for run in runs)
            print(
                f"{page.name:40} {middle['usable']:6.0f} ms {slowest:6.0f} ms {middle['fcp']:4.0f} ms"
                f" {middle['lcp']:4.0f} ms {middle['blocked']:5.0f} ms {middle['moved']:6.3f}"
                f" {middle['bytes'] / 1000:5.0f}"
            )
        await browser.close()


def main() -> None:
    """Run the demo, wait for a peak, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=9, help="loads per page (9)")
    loads = parser.parse_args().loads
    with run_demo() as stage:
        with open_browser("nl") as browser, open_page(browser, PHONE, "nl") as page:
            stage.subscribe_resident(page)
            stage.wait_for_peak()
            stage.sign_in(page)
            staff = _read_cookies(page)
        asyncio.run(measure_all(list_pages(stage.find_addresses()), loads, staff))


def _read_cookies(page: SyncPage) -> StorageState:
    state: StorageState = page.context.storage_state()
    return state


if __name__ == "__main__":
    main()
