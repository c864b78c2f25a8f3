"use strict";
(() => {
  const tip = document.getElementById("tip");
  const clock = (us) => {
    const s = us / 1e6;
    return Math.floor(s / 60) + ":" + (s % 60).toFixed(1).padStart(4, "0");
  };

  // A tip is an element's own text, or, on a timeline, when its text was written.
  const tipOf = (target) => {
    const owner = target.closest("[data-tip]");
    if (owner) return owner.dataset.tip;
    if (target.tagName !== "text" || !target.dataset.s) return "";
    const svg = target.closest("svg[data-t]");
    if (!svg) return "";
    const pixels = target.getAttribute("x") - 4;
    const at = Number(svg.dataset.t) + pixels / target.closest("details").dataset.pps * 1e6;
    return clock(at) + ", segment " + (Number(target.dataset.s) + 1);
  };
  const show = (text, x, y) => {
    tip.classList.toggle("on", text !== "");
    if (text === "") return;
    tip.textContent = text;
    const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8);
    const top = y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 18;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = top + "px";
  };

  let lit = [];
  const light = (target) => {
    for (const element of lit) element.classList.remove("hl");
    const talk = target && target.dataset.s ? target.closest("details") : null;
    lit = talk ? [...talk.querySelectorAll('[data-s="' + target.dataset.s + '"]')] : [];
    for (const element of lit) element.classList.add("hl");
  };

  document.addEventListener("pointerover", (event) => {
    if (!(event.target instanceof Element)) return;
    light(event.target);
    show(tipOf(event.target), event.clientX, event.clientY);
  });
  document.addEventListener("focusin", (event) => {
    const box = event.target.getBoundingClientRect();
    if (event.target.dataset.tip) show(event.target.dataset.tip, box.right, box.top);
  });
  document.addEventListener("focusout", () => show("", 0, 0));
  document.addEventListener("scroll", () => show("", 0, 0), { passive: true });

  const cards = document.getElementById("cards");
  const order = document.getElementById("order");
  const sort = () => {
    const rank = (card) => Number(card.dataset.o.split(" ")[order.selectedIndex]);
    const all = [...cards.children];
    for (const card of all) card.hidden = Number.isNaN(rank(card));
    cards.append(...all.sort((a, b) => (rank(a) || 0) - (rank(b) || 0)));
  };
  if (order) {
    order.addEventListener("change", sort);
    sort(); // a reload keeps the chosen order
  }
})();
