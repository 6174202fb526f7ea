/* Keeps the page of a live instance fresh. htmx asks for #live again and again; this leaves a 304 alone, and what
   somebody is working in. When the instance has moved, the rest of the page is fetched as soon as nobody works in it. */
"use strict";

(function () {
  const FOCUSED = ".drawing, [data-zoom]";
  let focused = "";

  /* What of the drawing has the focus, as a selector that finds it in the next one. */
  function focus() {
    const active = document.activeElement;
    if (!active || !active.matches(FOCUSED)) {
      return "";
    }
    return active.dataset.zoom ? "[data-zoom=" + active.dataset.zoom + "]" : ".drawing";
  }

  function works(inside) {
    const selection = window.getSelection();
    return (
      inside.querySelector(".zoomed") !== null ||
      (inside.contains(document.activeElement) && !focus()) ||
      (String(selection) !== "" && inside.contains(selection.anchorNode))
    );
  }

  function isOurs(event) {
    const target = event.detail.target;
    return target && (target.id === "live" || target.id === "content-main");
  }

  /* Whose session has ended is sent to the login page, which is nothing for this place. */
  function isElsewhere(detail) {
    return !detail.serverResponse.includes("data-steps=");
  }

  function catchUp() {
    const content = document.querySelector("#content-main[data-steps]");
    const live = document.getElementById("live");
    if (!content || !live || content.dataset.steps === live.dataset.steps || document.hidden) {
      return;
    }
    if (!works(content) && content.querySelector("details[open]") === null) {
      const how = { target: "#content-main", select: "#content-main", swap: "outerHTML" };
      window.htmx.ajax("GET", window.location.pathname + window.location.search, how);
    }
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    if (isOurs(event) && document.hidden) {
      event.preventDefault();
    }
  });

  document.addEventListener("htmx:beforeSwap", function (event) {
    if (!isOurs(event)) {
      return;
    }
    if (event.detail.xhr.status === 304 || isElsewhere(event.detail) || works(event.detail.target)) {
      event.detail.shouldSwap = false;
    } else {
      /* The page may be put in before the drawing before it has settled, and so before that one gave the focus back. */
      focused = focus() || focused;
    }
  });

  document.addEventListener("htmx:afterSettle", function () {
    document.dispatchEvent(new Event("operator:refreshed"));
    const place = focused && document.querySelector("#live " + focused);
    focused = "";
    if (place) {
      place.focus({ preventScroll: true });
    }
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    if (isOurs(event) && event.detail.target.id === "live") {
      window.setTimeout(catchUp, 0);
    }
  });
})();
