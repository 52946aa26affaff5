"""Opens a report at phone and desktop width, light and dark, and uses it.

    python3 check_report.py REPORT.html [AXE.min.js] [SCREENSHOT_FOLDER]

Ends with 0 and `ok`, with 77 and `skipped: …`, or with 1 and what is wrong.
"""

import pathlib
import sys

from chromium import Tab, find

VIEWS = [(width, dark) for width in (1280, 375) for dark in (False, True)]
SHOWN = "[...document.querySelectorAll('.card')].filter(card => card.checkVisibility())"


def look(tab, page, width, dark, axe):
    """What is wrong with the page at this width."""
    tab.view(width, 900, dark, phone=width < 600)
    tab.open(page)
    wrong = []
    wide = tab.run("document.documentElement.scrollWidth")
    if wide > width:
        wrong.append(f"the page is {wide} pixels wide")
    for heading in tab.run("[...document.querySelectorAll('h2')].filter(h => !h.checkVisibility() ||"
                           " h.getBoundingClientRect().width < 50).map(h => h.textContent)"):
        wrong.append(f"the section `{heading}` does not show")
    for broken in tab.run("[...document.querySelectorAll('img')].filter(i => !i.naturalWidth)"
                          ".map(i => i.alt)"):
        wrong.append(f"the picture `{broken}` does not load")
    paper = tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    if dark == (sum(paper) > 380):
        wrong.append(f"the page is {paper} in the {'dark' if dark else 'light'}")
    if axe:
        tab.run(axe)
        found = tab.run("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
                        ".map(v => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))")
        for impact, name, count, where in found:
            if impact in ("serious", "critical"):
                wrong.append(f"axe: {impact} {name}, {count} times, such as {where}")
    return wrong


def use(tab, page):
    """What is wrong with the film browser."""
    tab.view(1280)
    tab.open(page)
    every = tab.run("document.querySelectorAll('.card').length")
    if every == 0:
        return []
    wrong = []

    def ask(name, value):
        tab.run(f"{{ const field = document.forms.filters.elements['{name}']; field.value = '{value}';"
                " field.dispatchEvent(new Event('input', {bubbles: true})); }")

    def shown(what):
        while tab.run("document.getElementById('more').checkVisibility()"):
            tab.run("document.getElementById('more').click()")
        return tab.run(f"{SHOWN}.map(card => card.dataset.{what})")

    def expect(what, got, expected):
        if got != expected:
            wrong.append(f"{what}: {got}, expected {expected}")

    expect("films at first", tab.run(f"{SHOWN}.length"), min(every, 24))
    expect("all films", len(shown("path")), every)
    for name in ("truth", "predicted"):
        everything = tab.run(f"[...document.querySelectorAll('.card')].map(c => c.dataset.{name})")
        for value in sorted(set(everything)):
            ask(name, value)
            expect(f"{name} {value}", shown(name), [v for v in everything if v == value])
        ask(name, "")
    ask("least", "0.7")
    expect("confidence", all(float(c) >= 0.7 for c in shown("confidence")), True)
    ask("result", "wrong")
    expect("wrong ones", all(t != p for t, p in zip(shown("truth"), shown("predicted"))), True)
    expect("the count", tab.run("document.forms.filters.elements.count.value").split()[0],
           str(len(shown("path"))))
    ask("most", "0")
    expect("none", tab.run("document.getElementById('none').checkVisibility()"), True)
    tab.run("document.querySelector('#filters [type=reset]').click()")
    tab.run("new Promise(done => setTimeout(done, 50))")
    expect("films after a reset", len(shown("path")), every)
    ask("order", "confident")
    confidence = [float(c) for c in shown("confidence")]
    expect("the order", confidence, sorted(confidence, reverse=True))

    tab.run(f"{SHOWN}[0].querySelector('.film').focus()")
    tab.press("Enter", 13)
    expect("a film opens by keyboard", tab.run("document.getElementById('large').open"), True)
    tab.press("Escape", 27)
    expect("and closes", tab.run("document.getElementById('large').open"), False)
    return wrong


def main():
    report = pathlib.Path(sys.argv[1]).resolve()
    axe_path = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    shots = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    browser = find()
    if not browser:
        print("skipped: no chromium")
        return 77
    axe = axe_path.read_text() if axe_path and axe_path.exists() else None
    if not axe:
        print("skipped: no axe-core, accessibility is not checked")
    page = report.as_uri()
    wrong = []
    tab = Tab(browser)
    try:
        for width, dark in VIEWS:
            name = f"{width} pixels, {'dark' if dark else 'light'}"
            wrong += [f"{name}: {w}" for w in look(tab, page, width, dark, axe)]
            if shots:
                tab.screenshot(shots / f"{width}-{'dark' if dark else 'light'}.png")
        wrong += use(tab, page)
        wrong += [f"console: {text}" for text in tab.complaints()]
        wrong += [f"request: {url}" for url in tab.requests() if url != page]
    finally:
        tab.close()
    for what in wrong:
        print(what)
    if wrong:
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
