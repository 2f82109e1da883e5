// Keeps what changes by itself fresh: the Mobile devices view, failed attempts. The server says when something changed;
// without that, or where it does not know, the page looks from time to time. Everything works without it.
(() => {
  "use strict";
  const busy = (live) =>
    document.hidden || live.querySelector("input[type=checkbox]:checked") ||
    live.contains(document.activeElement) && document.activeElement.matches("input, select, button");
  const refresh = async () => {
    const live = document.querySelector("[data-live]");
    if (!live || busy(live)) return false;
    const answer = await fetch(live.dataset.live || location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (!fresh || busy(live)) return false;
    live.replaceWith(fresh);
    return true;
  };
  const live = document.querySelector("[data-live]");
  if (!live) return;
  let due = false, told = false, idle = 0, running = false;
  const look = async () => {
    if (running) return;
    running = true;
    due = false;
    try { due = !await refresh(); } catch { due = true; }
    running = false;
    idle = 0;
  };
  setInterval(() => { if (due || !told || ++idle >= 10) look(); }, 3000);
  if (!live.dataset.events || !window.EventSource) return;
  let source;
  const listen = () => {
    if (document.hidden) { // a browser opens few connections to one server
      if (source) source.close();
      source = undefined;
      told = false;
      return;
    }
    if (source) return;
    source = new EventSource(live.dataset.events);
    source.onopen = () => { told = true; };
    source.onerror = () => { told = false; };
    source.addEventListener("changed", () => { due = true; setTimeout(() => { if (due) look(); }, 300); });
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { if (source) source.close(); });
  listen();
})();

// A read-only field with something to pass on: a click chooses all of it.
(() => {
  "use strict";
  for (const field of document.querySelectorAll("[data-copy]")) {
    field.addEventListener("focus", () => field.select());
    const button = field.parentElement.querySelector("[data-copies]");
    if (!button || !navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      field.select();
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    });
  }
})();
