"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("browser");
  const cards = [...list.children];
  const asked = form.elements;
  const orders = {
    "": (a, b) => cards.indexOf(a) - cards.indexOf(b),
    confident: (a, b) => b.dataset.confidence - a.dataset.confidence,
    path: (a, b) => a.dataset.path.localeCompare(b.dataset.path, "en", { numeric: true }),
  };

  // So many images at once; the rest on demand.
  const PAGE = 24;
  const more = document.getElementById("more");
  let room = PAGE;

  function show() {
    list.append(...[...cards].sort(orders[asked.order.value]));
    const least = asked.least.value === "" ? 0 : Number(asked.least.value);
    const most = asked.most.value === "" ? 1 : Number(asked.most.value);
    let found = 0;
    for (const card of list.children) {
      const { truth, predicted, confidence } = card.dataset;
      const result = truth === predicted ? "right" : "wrong";
      const out =
        (asked.truth.value && asked.truth.value !== truth) ||
        (asked.predicted.value && asked.predicted.value !== predicted) ||
        (asked.result.value && asked.result.value !== result) ||
        confidence < least || confidence > most;
      found += !out;
      card.hidden = out || found > room;
    }
    const images = cards.length === 1 ? "image" : "images";
    asked.count.value = found === cards.length ? `${found} ${images}` : `${found} of ${cards.length} ${images}`;
    document.getElementById("none").hidden = found > 0;
    more.hidden = found <= room;
    more.textContent = `Show more: ${found - room} are left`;
  }

  const large = document.getElementById("large");
  function enlarge(card) {
    const copy = card.querySelector(".image").cloneNode(true);
    // The image itself stays where its saliency map refers to it.
    copy.removeAttribute("role");
    copy.removeAttribute("tabindex");
    copy.removeAttribute("aria-label");
    for (const named of copy.querySelectorAll("[id]")) named.removeAttribute("id");
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

  function anew() {
    room = PAGE;
    show();
  }
  more.addEventListener("click", () => {
    const next = room;
    room += 4 * PAGE;
    show();
    [...list.children].filter((card) => !card.hidden)[next]?.querySelector(".image").focus();
  });
  // On paper, every image that was asked for.
  addEventListener("beforeprint", () => ((room = Infinity), show()));
  addEventListener("afterprint", anew);
  form.addEventListener("input", anew);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(anew));
  form.hidden = false;
  // A browser keeps the choices of a page that is loaded again.
  show();
})();
