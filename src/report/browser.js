"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("browser");
  const cards = [...list.children];
  const filters = form.elements;
  const orders = {
    "": (a, b) => cards.indexOf(a) - cards.indexOf(b),
    confident: (a, b) => b.dataset.confidence - a.dataset.confidence,
    path: (a, b) => a.dataset.path.localeCompare(b.dataset.path, "en", { numeric: true }),
  };

  // Images that are added at a time.
  const PAGE = 24;
  const more = document.getElementById("more");
  let limit = PAGE;

  function show() {
    list.append(...[...cards].sort(orders[filters.order.value]));
    const least = filters.least.value === "" ? 0 : Number(filters.least.value);
    const most = filters.most.value === "" ? 1 : Number(filters.most.value);
    let found = 0;
    for (const card of list.children) {
      const { truth, predicted, confidence } = card.dataset;
      const result = truth === predicted ? "right" : "wrong";
      const filtered =
        (filters.truth.value && filters.truth.value !== truth) ||
        (filters.predicted.value && filters.predicted.value !== predicted) ||
        (filters.result.value && filters.result.value !== result) ||
        confidence < least || confidence > most;
      found += !filtered;
      card.hidden = filtered || found > limit;
    }
    const images = cards.length === 1 ? "image" : "images";
    filters.count.value = found === cards.length ? `${found} ${images}` : `${found} of ${cards.length} ${images}`;
    document.getElementById("none").hidden = found > 0;
    more.hidden = found <= limit;
    more.textContent = `Show more (${found - limit} left)`;
  }

  const large = document.getElementById("large");
  function enlarge(card) {
    const copy = card.querySelector(".image").cloneNode(true);
    // The copy refers to the original image: IDs must be unique.
    copy.removeAttribute("role");
    copy.removeAttribute("tabindex");
    copy.removeAttribute("aria-label");
    for (const element of copy.querySelectorAll("[id]")) element.removeAttribute("id");
    const texts = [...card.querySelectorAll("p")].map((p) => p.cloneNode(true));
    large.querySelector("div").replaceChildren(copy, ...texts);
    large.showModal();
  }
  for (const card of cards) {
    const image = card.querySelector(".image");
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.setAttribute("aria-label", `Enlarge ${card.dataset.path}`);
    image.addEventListener("click", () => enlarge(card));
    image.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      enlarge(card);
    });
  }
  large.addEventListener("click", (event) => event.target === large && large.close());

  function restart() {
    limit = PAGE;
    show();
  }
  more.addEventListener("click", () => {
    const next = limit;
    limit += 4 * PAGE;
    show();
    [...list.children].filter((card) => !card.hidden)[next]?.querySelector(".image").focus();
  });
  // Print every image that passes the filters.
  addEventListener("beforeprint", () => ((limit = Infinity), show()));
  addEventListener("afterprint", restart);
  form.addEventListener("input", restart);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(restart));
  form.hidden = false;
  // Browsers keep the filters of a reloaded page.
  show();
})();
