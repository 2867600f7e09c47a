// What pages gain with JavaScript. Without it they work the same, and refresh themselves.
"use strict";

// Copy buttons.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  const label = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    } catch {
      // Refused by the browser: select it, so that one shortcut copies it.
      getSelection().selectAllChildren(source);
    }
  });
}

// Moments, in the visitor's own time zone.
const moments = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "long",
  timeStyle: "short",
});
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.valueOf())) time.textContent = moments.format(moment);
}

// The live timeline: each event is the timeline's own HTML, whole.
const room = document.querySelector("[data-events]");
if (room && window.EventSource) {
  const label = room.querySelector("[data-label]");
  const said = room.querySelector("[data-said]");
  const progress = room.querySelector("[data-progress]");
  let shown = "";
  let last = progress.firstElementChild.dataset.said;
  new EventSource(room.dataset.events).addEventListener("message", ({ data }) => {
    if (data === shown) return;
    progress.innerHTML = shown = data;
    const now = progress.firstElementChild.dataset;
    if (now.state) room.dataset.state = now.state;
    if (now.label) label.textContent = now.label;
    if (now.said !== last) said.textContent = last = now.said;
  });
}
