// What each part of a record adds to its answer, drawn on the record itself.

import { figures } from "./chart.js";
// feature: series
import { course } from "./chart.js";
// end
import { draw, make, number, percent, signed } from "./dom.js";
import { short } from "./fields.js";

// Rows of bars that are shown at once.
const MOST = 15;

const largest = (values) => Math.max(...values.map(Math.abs)) || 1;

// Bars to both sides, the largest first.
function leaning(parts, top) {
  const row = ({ name, value, error }) => make(
    "li", {},
    make("span", { class: "name" }, name),
    make("span", { class: "lean", "aria-hidden": "true" }, make("i", { class: value > 0 ? "for" : "against", style: { width: `${((Math.abs(value) / top) * 50).toFixed(2)}%` } })),
    make("span", { class: "share", title: error === null ? null : `standard error ${number(error)}` }, signed(value)),
  );
  const sorted = [...parts].sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  const rest = sorted.slice(MOST);
  return [
    make("ul", { class: "weights" }, sorted.slice(0, MOST).map(row)),
    rest.length ? make("details", { class: "more" }, make("summary", {}, `${rest.length} more`), make("ul", { class: "weights" }, rest.map(row))) : null,
  ];
}

// feature: image
function heat(parts, top, shown) {
  const places = parts.map(({ name }) => name.match(/\d+/g).map(Number));
  const [down, across] = [0, 1].map((axis) => Math.max(...places.map((place) => place[axis])));
  const cells = parts.map(({ name, value }, index) => draw(
    "rect", { class: value > 0 ? "for" : "against", x: places[index][1] - 1, y: places[index][0] - 1, width: 1.01, height: 1.01, opacity: ((0.8 * Math.abs(value)) / top).toFixed(3) },
    draw("title", {}, `${name}: ${signed(value)}`),
  ));
  const strongest = [...parts].sort((one, other) => Math.abs(other.value) - Math.abs(one.value)).slice(0, 3);
  const label = `Heat map of ${down} by ${across} blocks; the strongest are ${strongest.map(({ name, value }) => `${name} (${signed(value)})`).join("; ")}`;
  return make("div", { class: "overlaid" }, make("img", { src: shown, alt: "The image that was asked about" }), draw("svg", { viewBox: `0 0 ${across} ${down}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, cells));
}
// end

// feature: text
function words(parts, top) {
  return make("p", { class: "tokens" }, parts.flatMap(({ name, value }) => [
    make("mark", { class: value > 0 ? "for" : "against", style: { "--s": `${((Math.abs(value) / top) * 45).toFixed(0)}%` }, title: signed(value) }, name), " ",
  ]));
}
// end

// feature: series
function steps(parts, top, shown) {
  const weights = parts.map(({ name, value }) => {
    const [from, to = from] = name.split(" to ").map(Number);
    return { from, to, share: value / top };
  });
  const reach = 1 - Math.min(...weights.map(({ from }) => from));
  // A series that is shorter than what the model looks at lacks its beginning.
  const past = [...Array(Math.max(0, reach - shown.length)).fill(null), ...shown.slice(-reach)];
  return make("div", { class: "plot" }, course({ past, weights, label: "The series; what is coloured weighed in the answer" }));
}
// end

function sum(found) {
  const gain = found.score - found.baseline;
  const what = found.answer ? `the score of ${found.answer}` : "the answer";
  const whole = `Without any of them ${what} is ${number(found.baseline)}, with all of them ${number(found.score)}: ${signed(gain)}.`;
  const error = found.completeness_error;
  if (error === null || error === undefined) return whole;
  return error < 0.0005 ? `${whole} The parts add up to that.` : `${whole} The parts add up to that but for ${percent(error)}.`;
}

export function showExplanation(found, shown) {
  const parts = found.names.map((name, place) => ({ name, value: found.values[place], error: found.errors?.[place] ?? null }));
  const top = largest(found.values);
  const record = found.noun === "columns" && shown ? (part) => ({ ...part, name: `${part.name} = ${short(shown[part.name]) || "missing"}` }) : (part) => part;
  const drawn = {
    // feature: image
    pixels: () => [heat(parts, top, shown)],
    // end
    // feature: text
    tokens: () => [words(parts, top)],
    // end
    // feature: series
    steps: () => [steps(parts, top, shown), ...leaning(parts.map((part) => ({ ...part, name: `step ${part.name}` })), top)],
    // end
    columns: () => leaning(parts.map(record), top),
  }[found.noun]?.() ?? leaning(parts, top);
  const speaks = found.answer ? `for ${found.answer}` : "for more";
  return [
    make("h3", {}, "What made this answer"),
    make("p", { class: "legend" }, make("span", { class: "key" }, make("span", { class: "tint for", "aria-hidden": "true" }), speaks), make("span", { class: "key" }, make("span", { class: "tint against", "aria-hidden": "true" }), found.answer ? "against it" : "for less")),
    ...drawn.filter(Boolean),
    make("p", { class: "caption" }, sum(found)),
    figures(["part", "adds", "standard error"], parts.map(({ name, value, error }) => [name, signed(value), error === null ? "none" : number(error)])),
  ];
}
