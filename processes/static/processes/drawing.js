/* Zooms the drawing in its box, and shows the visits of an element that is clicked. Without it the drawing fits. */
"use strict";

(function () {
  const STEP = 1.25;

  function zoom(svg, word) {
    if (word === "fit") {
      svg.classList.remove("zoomed");
      svg.setAttribute("width", svg.dataset.width);
      svg.setAttribute("height", svg.dataset.height);
      return;
    }
    const box = svg.getBoundingClientRect();
    const factor = word === "in" ? STEP : 1 / STEP;
    svg.classList.add("zoomed");
    svg.setAttribute("width", Math.max(80, box.width * factor));
    svg.setAttribute("height", Math.max(40, box.height * factor));
  }

  function highlight(element) {
    let first = null;
    for (const row of document.querySelectorAll("tr[data-element]")) {
      const here = row.dataset.element === element;
      row.classList.toggle("here", here);
      first = first || (here ? row : null);
    }
    if (first) {
      first.scrollIntoView({ behavior: "smooth", block: "center" });
    }
  }

  function prepare() {
    const panel = document.getElementById("drawing");
    const svg = panel && panel.querySelector(".drawing svg");
    if (!svg || svg.dataset.width !== undefined) {
      return;
    }
    svg.dataset.width = svg.getAttribute("width") || "";
    svg.dataset.height = svg.getAttribute("height") || "";
    panel.querySelector(".zoom").hidden = false;
    panel.addEventListener("click", function (event) {
      const button = event.target.closest("button[data-zoom]");
      const node = event.target.closest("[data-element-id]");
      if (button) {
        zoom(svg, button.dataset.zoom);
      } else if (node) {
        highlight(node.dataset.elementId);
      }
    });
  }

  prepare();
  document.addEventListener("operator:refreshed", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
})();
