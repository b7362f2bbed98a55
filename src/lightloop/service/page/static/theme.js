// The toggle of the theme, the same one that the report keeps. A script of its own, so that the page does not flash.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "lightloop-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a browser may refuse storage: the system's theme then */ }
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem(KEY, root.dataset.theme); } catch { /* not kept */ }
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();
