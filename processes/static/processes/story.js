/* Time travel: keys walk from step to step, and the slider follows. Without it links and the button do. */
"use strict";

(function () {
  const WORDS = { ArrowLeft: "prev", ArrowRight: "next" };

  function follow() {
    const past = document.getElementById("past");
    const slider = document.getElementById("travel-step");
    if (past && slider) {
      slider.value = past.dataset.step;
      document.getElementById("travel-number").textContent = past.dataset.step;
    }
  }

  document.addEventListener("keydown", function (event) {
    const word = WORDS[event.key];
    if (!word || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    if (event.target.closest("input, textarea, select, pre, .drawing")) {
      return;
    }
    const link = document.querySelector("#past a[rel=" + word + "]");
    if (link) {
      event.preventDefault();
      link.click();
    }
  });

  document.addEventListener("input", function (event) {
    if (event.target.id === "travel-step") {
      document.getElementById("travel-number").textContent = event.target.value;
    }
  });

  /* Whose session has ended is sent to the login page: as a page, not into this one. */
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (!event.detail.serverResponse.includes("data-step=")) {
      event.detail.shouldSwap = false;
      window.location.assign(event.detail.pathInfo.finalRequestPath);
    }
  });

  document.addEventListener("htmx:afterSettle", function () {
    follow();
    document.dispatchEvent(new Event("operator:refreshed"));
  });
})();
