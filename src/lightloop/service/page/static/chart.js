// The course of a series as SVG: what was given, what is forecast with its interval, what weighed how much.
// Vega, which draws the report's charts, makes functions from text, and the page's security policy forbids that.

import { draw, make, number } from "./dom.js";

const WIDE = 560;
// On a phone, where letters would be scaled down with the drawing.
const NARROW = 330;
const HEIGHT = 240;
const LEFT = 58;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 26;

// Round numbers between two ends, at most about five.
export function ticks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

// Points as a path that is broken at gaps.
function path(points) {
  let open = false;
  return points.map((point) => {
    if (!point) { open = false; return ""; }
    const piece = `${open ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    open = true;
    return piece;
  }).join("");
}

// past: values, null in gaps; future: values; intervals: [low, high] of each, null where an end is not known;
// weights: [{from, to, share}], steps back from the last one (0), share -1 to 1.
export function course({ past = [], future = [], intervals = [], weights = [], label }) {
  const width = innerWidth < 600 ? NARROW : WIDE;
  const known = [...past, ...future, ...intervals.flat()].filter((value) => Number.isFinite(value));
  let low = Math.min(...known);
  let high = Math.max(...known);
  if (!(high > low)) { low -= 1; high += 1; }
  const pad = (high - low) * 0.06;
  [low, high] = [low - pad, high + pad];
  const first = 1 - past.length;
  const last = Math.max(future.length, first + 1, 0);
  const x = (step) => LEFT + ((step - first) / (last - first)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const point = (step, value) => (Number.isFinite(value) ? [x(step), y(value)] : null);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  for (const { from, to, share } of weights) {
    if (!share) continue;
    const half = (x(1) - x(0)) / 2;
    const start = Math.max(LEFT, x(from) - half);
    svg.append(draw("rect", { class: share > 0 ? "for" : "against", x: start, y: TOP, width: Math.max(1, x(to) + half - start), height: HEIGHT - TOP - BOTTOM, opacity: 0.08 + 0.5 * Math.abs(share) }));
  }
  for (const value of ticks(low, high)) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
  }
  for (const step of ticks(first, last).filter(Number.isInteger)) {
    svg.append(draw("text", { x: x(step), y: HEIGHT - 8, "text-anchor": "middle" }, step > 0 ? `+${step}` : String(step)));
  }
  const bounded = intervals.map(([from, to], place) => [place + 1, from, to]).filter(([, from, to]) => Number.isFinite(from) && Number.isFinite(to));
  if (bounded.length > 1) {
    const around = [...bounded.map(([step, , to]) => point(step, to)), ...bounded.toReversed().map(([step, from]) => point(step, from))];
    svg.append(draw("path", { class: "band", d: `${path(around)}Z` }));
  } else for (const [step, from, to] of bounded) svg.append(draw("line", { class: "line", x1: x(step), x2: x(step), y1: y(from), y2: y(to) }));
  svg.append(draw("path", { class: "past", d: path(past.map((value, place) => point(first + place, value))) }));
  if (future.length) {
    const from = past.length && Number.isFinite(past.at(-1)) ? [point(0, past.at(-1))] : [];
    svg.append(draw("path", { class: "line", d: path([...from, ...future.map((value, place) => point(place + 1, value))]) }));
    for (const [place, value] of future.entries()) {
      if (Number.isFinite(value)) svg.append(draw("circle", { class: "spot", cx: x(place + 1), cy: y(value), r: future.length > 40 ? 1.5 : 3 }));
    }
  }
  return svg;
}

// The figures behind a drawing, for who can't see it, and for who wants to copy them.
export const figures = (columns, rows) => make(
  "details", { class: "figures" },
  make("summary", {}, "Figures"),
  make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Figures" },
    make("table", { class: "compact" },
      make("thead", {}, make("tr", {}, columns.map((column) => make("th", { scope: "col" }, column)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell, place) => make("td", { class: place ? "number" : null }, cell))))))),
);
