// Puts a living chart in the place of its still picture when it comes into view: values at the pointer or by the arrow
// keys, series that can be switched off, clouds of points that can be zoomed. Without this file the pictures stay.
"use strict";

(() => {
  const NEAR = "300px";
  const here = document.currentScript.src;

  // The library is read when the first chart comes near: a page opens without it.
  let library = null;
  const load = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(name, here).href;
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });
  const needed = () => {
    library ??= window.vegaLite ? Promise.resolve() : load("vega.min.js").then(() => load("vega-lite.min.js"));
    return library;
  };

  const say = document.createElement("p");
  say.className = "hidden";
  say.setAttribute("role", "status");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;

  function show(text, x, y) {
    tip.textContent = text;
    tip.hidden = !text;
    if (!text) return;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(y - box.height - 10, innerHeight - box.height - 4))}px`;
  }

  // The drawing takes the room that there is: what its axes need stays, the rest grows or shrinks.
  function fitted(spec, plot, still) {
    const drawn = still.viewBox.baseVal.width;
    const room = Math.min(plot.clientWidth, 1.3 * drawn);
    const more = Math.round(room - drawn);
    const sized = structuredClone(spec);
    if (sized.facet) sized.columns = Math.max(1, Math.min(sized.columns, Math.floor(plot.clientWidth / (sized.spec.width + 24))));
    for (const part of sized.facet ? [] : sized.vconcat ?? [sized]) {
      const before = part.width;
      part.width = Math.max(90, before + more);
      if (typeof part.height === "number" && part.width > before) part.height = Math.round(part.height * part.width / before);
    }
    return sized;
  }

  function start(plot) {
    const figure = plot.closest("figure");
    const still = plot.querySelector("svg");
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const tips = spec.usermeta.tips;
    const numbers = tips.length > 0 && typeof tips[0][0] === "number";
    const keys = [...figure.querySelectorAll(".legend .key")];
    const off = new Set();
    let view = null;
    let place = -1;
    let width = 0;

    const point = (next) => {
      if (next === place) return;
      place = next;
      view.signal("at", next < 0 ? null : tips[next][0]).runAsync();
    };
    const nearest = (event) => {
      const box = plot.querySelector("svg").getBoundingClientRect();
      const x = view.scale("x").invert(event.clientX - box.left - view.origin()[0]);
      let best = 0;
      tips.forEach(([at], number) => { if (Math.abs(at - x) < Math.abs(tips[best][0] - x)) best = number; });
      return best;
    };
    const move = (event, item) => {
      if (numbers) {
        point(nearest(event));
        show(tips[place][1], event.clientX, event.clientY);
      } else if (tips.length) {
        point(tips.findIndex(([at]) => at === item?.datum?.name));
        show(place < 0 ? "" : tips[place][1], event.clientX, event.clientY);
      } else show(item?.datum?.tip ?? "", event.clientX, event.clientY);
    };
    const leave = () => { show(""); if (tips.length) point(-1); };

    async function draw() {
      width = plot.clientWidth;
      const next = new vega.View(vega.parse(vegaLite.compile(fitted(spec, plot, still)).spec), { renderer: "svg", hover: false });
      const room = document.createElement("div");
      room.setAttribute("aria-hidden", "true");
      next.initialize(room).tooltip(() => {});
      if (off.size) next.signal("shown", keys.map(nameOf).filter((name) => !off.has(name)));
      await next.runAsync();
      view?.finalize();
      view = next;
      plot.replaceChildren(room);
      view.addEventListener("pointermove", move);
      view.addEventListener("pointerout", leave);
      plot.dataset.drawn = "";
    }

    const nameOf = (key) => key.textContent.trim();
    const toggle = (key) => {
      const name = nameOf(key);
      if (off.has(name)) off.delete(name); else off.add(name);
      key.setAttribute("aria-pressed", String(!off.has(name)));
      view.signal("shown", keys.map(nameOf).filter((one) => !off.has(one))).runAsync();
    };
    // Only what the specification draws by series can be switched off.
    if (JSON.stringify(spec).includes("indexof(shown")) {
      keys.forEach((key, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "key";
        button.setAttribute("aria-pressed", "true");
        button.append(...key.childNodes);
        button.addEventListener("click", () => toggle(button));
        key.replaceWith(button);
        keys[number] = button;
      });
    }
    plot.setAttribute("aria-label", `${plot.dataset.label}${tips.length ? " The arrow keys read the values." : ""}`);
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      if (!step || !tips.length) return;
      event.preventDefault();
      point(Math.max(0, Math.min(tips.length - 1, place + step)));
      const box = plot.getBoundingClientRect();
      show(tips[place][1], box.left + box.width / 2, box.top + 30);
      say.textContent = tips[place][1].replaceAll("\n", ", ");
    });
    plot.addEventListener("blur", leave);
    new ResizeObserver(() => { if (plot.clientWidth && plot.clientWidth !== width) draw(); }).observe(plot);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.body.append(tip, say);
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        needed().then(() => start(entry.target));
      }
    }, { rootMargin: NEAR });
    for (const plot of document.querySelectorAll(".plot")) seen.observe(plot);
  });
})();
