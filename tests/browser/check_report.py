"""Checks a report in Chromium: layout at phone and desktop width, light and dark; image browser.

    python3 check_report.py REPORT.html [AXE.min.js] [SCREENSHOT_FOLDER]

Prints `ok` (exit status 0), `skipped: …` (77) or one line per fault (1).
"""

import pathlib
import sys

from chromium import Tab, find

VIEWS = [(width, dark) for width in (1280, 375) for dark in (False, True)]
SHOWN = "[...document.querySelectorAll('.card')].filter(card => card.checkVisibility())"


def check_view(tab, page, width, dark, axe):
    """Returns the faults of the page at this width and colour scheme."""
    tab.view(width, 900, dark, phone=width < 600)
    tab.open(page)
    faults = []
    page_width = tab.run("document.documentElement.scrollWidth")
    if page_width > width:
        faults.append(f"the page is {page_width} pixels wide")
    for heading in tab.run("[...document.querySelectorAll('h2')].filter(h => !h.checkVisibility() ||"
                           " h.getBoundingClientRect().width < 50).map(h => h.textContent)"):
        faults.append(f"the section `{heading}` is not visible")
    for broken in tab.run("[...document.querySelectorAll('img')].filter(i => !i.naturalWidth)"
                          ".map(i => i.alt)"):
        faults.append(f"the figure `{broken}` does not load")
    background = tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    if dark == (sum(background) > 380):
        faults.append(f"the background is {background} in the {'dark' if dark else 'light'} scheme")
    if axe:
        tab.run(axe)
        violations = tab.run("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
                             ".map(v => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))")
        for impact, name, count, element in violations:
            if impact in ("serious", "critical"):
                faults.append(f"axe: {impact} {name}, {count} times, for example {element}")
    return faults


def check_browser(tab, page):
    """Returns the faults of the image browser: filters, order and enlarged view."""
    tab.view(1280)
    tab.open(page)
    total = tab.run("document.querySelectorAll('.card').length")
    if total == 0:
        return []
    faults = []

    def set_filter(name, value):
        tab.run(f"{{ const field = document.forms.filters.elements['{name}']; field.value = '{value}';"
                " field.dispatchEvent(new Event('input', {bubbles: true})); }")

    def shown(field):
        """Returns a data field of all cards that pass the filters."""
        while tab.run("document.getElementById('more').checkVisibility()"):
            tab.run("document.getElementById('more').click()")
        return tab.run(f"{SHOWN}.map(card => card.dataset.{field})")

    def expect(name, actual, expected):
        if actual != expected:
            faults.append(f"{name}: {actual}, expected {expected}")

    expect("number of images on opening", tab.run(f"{SHOWN}.length"), min(total, 24))
    expect("number of all images", len(shown("path")), total)
    for name in ("truth", "predicted"):
        values = tab.run(f"[...document.querySelectorAll('.card')].map(c => c.dataset.{name})")
        for value in sorted(set(values)):
            set_filter(name, value)
            expect(f"filter {name}={value}", shown(name), [v for v in values if v == value])
        set_filter(name, "")
    set_filter("least", "0.7")
    expect("filter confidence >= 0.7", all(float(c) >= 0.7 for c in shown("confidence")), True)
    set_filter("result", "wrong")
    expect("filter result=wrong", all(t != p for t, p in zip(shown("truth"), shown("predicted"))), True)
    expect("displayed count", tab.run("document.forms.filters.elements.count.value").split()[0],
           str(len(shown("path"))))
    set_filter("most", "0")
    expect("message for no images", tab.run("document.getElementById('none').checkVisibility()"), True)
    tab.run("document.querySelector('#filters [type=reset]').click()")
    tab.run("new Promise(done => setTimeout(done, 50))")
    expect("number of images after a reset", len(shown("path")), total)
    set_filter("order", "confident")
    confidence = [float(c) for c in shown("confidence")]
    expect("descending confidence", confidence, sorted(confidence, reverse=True))

    tab.run(f"{SHOWN}[0].querySelector('.image').focus()")
    tab.press("Enter", 13)
    expect("enlarged image after Enter", tab.run("document.getElementById('large').open"), True)
    tab.press("Escape", 27)
    expect("enlarged image after Escape", tab.run("document.getElementById('large').open"), False)
    return faults


def main():
    report = pathlib.Path(sys.argv[1]).resolve()
    axe_path = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    screenshots = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    browser = find()
    if not browser:
        print("skipped: cannot find Chromium")
        return 77
    axe = axe_path.read_text() if axe_path and axe_path.exists() else None
    if not axe:
        print("skipped: accessibility check, cannot find axe-core")
    page = report.as_uri()
    faults = []
    tab = Tab(browser)
    try:
        for width, dark in VIEWS:
            name = f"{width} pixels, {'dark' if dark else 'light'}"
            faults += [f"{name}: {fault}" for fault in check_view(tab, page, width, dark, axe)]
            if screenshots:
                tab.screenshot(screenshots / f"{width}-{'dark' if dark else 'light'}.png")
        faults += check_browser(tab, page)
        faults += [f"console: {text}" for text in tab.console_errors()]
        faults += [f"request: {url}" for url in tab.requests() if url != page]
    finally:
        tab.close()
    for fault in faults:
        print(fault)
    if faults:
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
