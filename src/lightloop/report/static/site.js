// The page is whole without this file; it adds the toggle of the theme, filters of records and the current section.
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

  // A list of records that can be filtered: each select names what of a record (data-NAME) it asks for.
  function startBrowser(browser) {
    const page = Number(browser.dataset.page);
    const lists = [...browser.querySelectorAll("ul")].filter((list) => list.matches(".mistakes, .records"));
    const [list, ...rest] = lists;
    if (!list) return;
    for (const other of rest) list.append(...other.children);
    browser.querySelector("details.more")?.remove();
    const items = [...list.children];
    const controls = browser.querySelector(".controls");
    const selects = [...browser.querySelectorAll(".controls select")];
    const status = browser.querySelector("[role=status]");
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more-records";
    list.after(more);
    let most = page;
    const asked = (item) => selects.every(({ name, value }) => {
      if (!value) return true;
      if (name !== "confidence") return item.dataset[name] === value;
      const [low, high] = value.split(" ").map(Number);
      return item.dataset.confidence >= low && (item.dataset.confidence < high || high === 1);
    }) && !(browser.querySelector("[name=mistakes]")?.checked && item.classList.contains("right"));
    const show = () => {
      const found = items.filter(asked);
      const shown = new Set(found.slice(0, most));
      for (const item of items) item.hidden = !shown.has(item);
      more.hidden = found.length <= shown.size;
      more.textContent = `Show ${Math.min(page, found.length - shown.size)} more of ${found.length - shown.size}`;
      if (status) status.textContent = `${found.length} of ${items.length} records`;
    };
    browser.addEventListener("change", (event) => {
      if (event.target.name === "method") browser.dataset.show = event.target.value;
      most = page;
      show();
    });
    more.addEventListener("click", () => {
      const next = items.filter(asked)[most];
      most += page;
      show();
      next.tabIndex = -1;
      next.focus();
    });
    if (controls) controls.hidden = false;
    for (const hidden of browser.querySelectorAll(".of-methods")) hidden.hidden = false;
    // A mix-up in the evaluation leads to its records.
    if (browser.closest("#mistakes")) {
      for (const link of document.querySelectorAll("a.pair")) {
        link.addEventListener("click", () => {
          for (const select of selects) select.value = link.dataset[select.name] ?? "";
          most = page;
          show();
        });
      }
    }
    show();
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
    for (const browser of document.querySelectorAll(".browser")) startBrowser(browser);
    startContents();
    startPrint();
  });
})();
