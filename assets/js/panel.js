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
  const used = room.querySelector("[data-used]");
  const away = document.querySelector("[data-away]");
  const progress = room.querySelector("[data-progress]");
  let shown = "";
  let last = progress.firstElementChild.dataset.said;

  const show = (html) => {
    if (html === shown) return;
    progress.innerHTML = shown = html;
    const now = progress.firstElementChild.dataset;
    if (now.state) room.dataset.state = now.state;
    if (now.label) label.textContent = now.label;
    if (now.memory) used.textContent = now.memory;
    if (now.said !== last) said.textContent = last = now.said;
  };

  // A stream that ends is taken up again within the second, as a rule: not worth a word.
  let doubt = 0;
  let pause = 1000;
  const listen = () => {
    const events = new EventSource(room.dataset.events);
    events.addEventListener("open", () => {
      clearTimeout(doubt);
      doubt = 0;
      pause = 1000;
      away.hidden = true;
    });
    events.addEventListener("message", ({ data }) => show(data));
    events.addEventListener("error", () => {
      if (room.dataset.state === "gone") {
        events.close();
        return;
      }
      doubt ||= setTimeout(() => { away.hidden = false; }, 2000);
      // Browsers come back after a broken connection, and give up after an answer like 503.
      if (events.readyState === EventSource.CLOSED) {
        setTimeout(listen, pause);
        pause = Math.min(pause * 2, 30000);
      }
    });
  };
  listen();
}
