// Keeps what changes by itself fresh: the Mobile devices view, failed attempts. Everything works without it.
(() => {
  "use strict";
  const busy = (live) =>
    document.hidden || live.querySelector("input[type=checkbox]:checked") ||
    live.contains(document.activeElement) && document.activeElement.matches("input, select, button");
  const refresh = async () => {
    const live = document.querySelector("[data-live]");
    if (!live || busy(live)) return;
    const answer = await fetch(live.dataset.live || location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (fresh && !busy(live)) live.replaceWith(fresh);
  };
  if (document.querySelector("[data-live]")) {
    setInterval(() => refresh().catch(() => {}), 3000);
  }
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
