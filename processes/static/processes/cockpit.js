/* The cockpit looks again by itself, but not while somebody works in it, or looks elsewhere. */
"use strict";

(function () {
  function isBusy(content) {
    return document.hidden || content.contains(document.activeElement) || String(window.getSelection()) !== "";
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    const content = event.target.closest("#cockpit");
    if (content && document.hidden) {
      event.preventDefault();
    }
  });

  document.addEventListener("htmx:beforeSwap", function (event) {
    const content = event.target.closest("#cockpit");
    if (content && isBusy(content)) {
      event.detail.shouldSwap = false;
    }
  });
})();
