/* Shows on the drawings of a report what a row speaks of, and the row for what is clicked on a drawing; puts two
   drawings beside or below each other. */
"use strict";

(function () {
  function show(report, element, scroll) {
    for (const node of report.querySelectorAll(".is-shown")) {
      node.classList.remove("is-shown");
    }
    for (const row of report.querySelectorAll("[data-element]")) {
      row.classList.toggle("here", row.dataset.element === element);
    }
    const nodes = [...report.querySelectorAll("svg [data-element-id]")].filter((node) => node.dataset.elementId === element);
    for (const node of nodes) {
      node.classList.add("is-shown");
    }
    const target = scroll === "drawing" ? nodes[0] : [...report.querySelectorAll("[data-element]")].find((row) => row.dataset.element === element);
    if (target) {
      target.scrollIntoView({ behavior: "smooth", block: "center", inline: "center" });
    }
  }

  for (const button of document.querySelectorAll("[data-stack]")) {
    button.hidden = false;
  }

  document.addEventListener("click", function (event) {
    const report = event.target.closest(".report");
    if (!report) {
      return;
    }
    const stack = event.target.closest("[data-stack]");
    if (stack) {
      stack.setAttribute("aria-pressed", String(report.querySelector(".sides").classList.toggle("one-column")));
      return;
    }
    const button = event.target.closest("[data-show]");
    const node = event.target.closest("svg [data-element-id]");
    if (button) {
      show(report, button.dataset.show, "drawing");
    } else if (node) {
      show(report, node.dataset.elementId, "row");
    }
  });
})();
