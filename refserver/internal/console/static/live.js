// Keeps the Mobile devices view fresh. Everything works without it.
(() => {
  "use strict";
  const busy = (live) =>
    document.hidden || live.querySelector("input[type=checkbox]:checked") ||
    live.contains(document.activeElement) && document.activeElement.matches("input, select, button");
  const refresh = async () => {
    const live = document.querySelector("[data-live]");
    if (!live || busy(live)) return;
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (fresh && !busy(live)) live.replaceWith(fresh);
  };
  if (document.querySelector("[data-live]")) {
    setInterval(() => refresh().catch(() => {}), 3000);
  }
})();
