/* Buttons that copy the text of another element. Without the script they are hidden, and the text can be selected. */
"use strict";

(function () {
  const SHOWN = 2000;

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    let done = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      done = true;
    } catch {
      /* Only allowed on secure pages: then the selected text is copied by hand. */
      select(source);
    }
    button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    window.setTimeout(() => (button.textContent = "Copy"), SHOWN);
  }

  function prepare() {
    for (const button of document.querySelectorAll("button[data-copy]")) {
      button.hidden = false;
    }
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("button[data-copy]");
    if (button) {
      copy(button);
    }
  });
  document.addEventListener("operator:refreshed", prepare);
  prepare();
})();
