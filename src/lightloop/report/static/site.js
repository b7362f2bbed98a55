// The page is whole without this file; it adds the toggle of the theme, the choice in the gallery and the current section.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "lightloop-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A browser may refuse storage to pages opened from disk: the choice then lasts as long as the page.
  const remembered = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem(KEY, theme); } catch { /* not kept */ }
  };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  // Before the page is drawn, so that it does not flash in the other theme.
  const theme = remembered();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;

  function startTheme() {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  function startGallery() {
    const gallery = document.querySelector(".gallery");
    if (!gallery) return;
    gallery.querySelector(".controls").hidden = false;
    const status = document.getElementById("gallery-status");
    gallery.addEventListener("change", (event) => {
      if (event.target.name === "method") gallery.dataset.show = event.target.value;
      if (event.target.name === "mistakes") gallery.classList.toggle("only-mistakes", event.target.checked);
      const shown = [...gallery.querySelectorAll(".records > li")].filter((item) => item.offsetParent);
      status.textContent = `${shown.length} records are shown`;
    });
  }

  function startContents() {
    const links = [...document.querySelectorAll(".contents a")];
    const sections = links.map((link) => document.querySelector(link.getAttribute("href")));
    const strip = document.querySelector(".contents");
    let current = null;
    const mark = () => {
      const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight * 0.35);
      const atEnd = innerHeight + scrollY >= root.scrollHeight - 2;
      const next = links[atEnd ? links.length - 1 : Math.max(0, passed.length - 1)];
      if (next === current) return;
      if (current) current.removeAttribute("aria-current");
      current = next;
      current.setAttribute("aria-current", "true");
      strip.scrollTo({ left: current.offsetLeft - strip.clientWidth / 2 + current.clientWidth / 2 });
    };
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    addEventListener("resize", mark);
    mark();
  }

  function startPrint() {
    addEventListener("beforeprint", () => {
      for (const details of document.querySelectorAll("details.more")) details.open = true;
      for (const image of document.images) image.loading = "eager";
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    startTheme();
    startGallery();
    startContents();
    startPrint();
  });
})();
