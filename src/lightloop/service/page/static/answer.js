// A prediction with how sure it is.

import { course, figures } from "./chart.js";
import { make, number, percent } from "./dom.js";

// Classes that are listed at once; the others stand behind "more".
const MOST = 10;
// Values of a series that are drawn before its forecast, for each step ahead.
const BEFORE = 5;

function bars(answer) {
  const possible = new Set(answer.possible);
  const row = ([name, share]) => make(
    "li", { class: name === answer.label ? "decided" : possible.has(name) ? "possible" : null },
    make("span", { class: "name", title: name }, name),
    make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${(share * 100).toFixed(2)}%` } })),
    make("span", { class: "share" }, percent(share)),
  );
  const sorted = Object.entries(answer.probabilities).sort(([, one], [, other]) => other - one);
  const list = (rows) => make("ul", { class: "bars" }, rows.map(row));
  const rest = sorted.slice(MOST);
  return [list(sorted.slice(0, MOST)), rest.length ? make("details", { class: "more" }, make("summary", {}, `${rest.length} more classes`), list(rest)) : null];
}

function novelty(answer) {
  if (!answer.novelty) return null;
  const { score, p_value: p, novel } = answer.novelty;
  const figure = `score ${number(score)}${p === null || p === undefined ? "" : `, p = ${number(p)}`}`;
  if (!novel) return make("p", { class: "caption novelty" }, `Like the records that the model was trained with (${figure}).`);
  return make("p", { class: "notice bad novelty" }, make("strong", {}, "Unlike the training records"), ` (${figure}). The probabilities say little about such a record.`);
}

function warnings(answer) {
  if (!answer.warnings?.length) return null;
  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  return make("div", { class: "notice" }, make("strong", {}, "To be read with care"), make("ul", { class: "warnings" }, answer.warnings.map((text) => make("li", {}, sentence(text)))));
}

function meta(answer, seconds) {
  const parts = [`version ${answer.model_version}`, `${Math.max(1, Math.round(seconds * 1000))} ms`, answer.prediction_id];
  return make("p", { class: "meta" }, parts.filter(Boolean).join(" · "));
}

function classified(answer) {
  const level = answer.level === null || answer.level === undefined ? null : percent(answer.level);
  return [
    make("p", { class: "outcome" }, answer.label, " ", make("span", { class: "quiet" }, percent(answer.probability))),
    answer.abstains ? make("p", { class: "notice bad abstains" }, make("strong", {}, "The model abstains"), ": it is not sure enough, a person should decide.") : null,
    ...bars(answer),
    level && answer.possible.length
      ? make("div", { class: "possible-set" }, make("p", { class: "caption" }, `With a chance of ${level} the truth is among:`), make("ul", { class: "tags" }, answer.possible.map((name) => make("li", {}, name))))
      : null,
  ];
}

function numbers(answer, shown, metadata) {
  const { values, level } = answer;
  const intervals = answer.intervals ?? [];
  const chance = level === null || level === undefined ? null : percent(level);
  const range = (pair) => (pair && pair.some((end) => end !== null) ? `${number(pair[0])} to ${number(pair[1])}` : "not known");
  const name = metadata.target ?? (metadata.problem === "forecasting" ? "forecast" : "value");
  if (values.length === 1) {
    return [
      make("p", { class: "outcome" }, number(values[0]), " ", make("span", { class: "quiet" }, name)),
      chance ? make("p", { class: "interval-of" }, `With a chance of ${chance} the truth is between ${number(intervals[0]?.[0])} and ${number(intervals[0]?.[1])}.`) : null,
    ];
  }
  const past = Array.isArray(shown) ? shown.slice(-BEFORE * values.length) : [];
  const label = `${values.length} steps ahead, from ${number(values[0])} to ${number(values.at(-1))}`;
  return [
    make("p", { class: "outcome" }, number(values[0]), " ", make("span", { class: "quiet" }, `${name}, next step`)),
    make("div", { class: "plot" }, course({ past, future: values, intervals, label })),
    make("p", { class: "caption" }, `What was given in grey, ${values.length} steps ahead in colour${chance ? `, with intervals that hold the truth with a chance of ${chance}` : ""}.`),
    figures(["step", name, chance ? `interval of ${chance}` : "interval"], values.map((value, place) => [`+${place + 1}`, number(value), range(intervals[place])])),
  ];
}

export function showAnswer(answer, { shown, metadata, seconds }) {
  const body = Array.isArray(answer.values) ? numbers(answer, shown, metadata) : classified(answer);
  return [...body, novelty(answer), warnings(answer), meta(answer, seconds)].flat().filter(Boolean);
}

// feature: generation
export function showSamples(answers, { version, seconds, address }) {
  const images = answers.map((answer, place) => make("img", { src: address(answer.image), alt: `Sample ${place + 1}` }));
  return [make("p", { class: "outcome" }, `${answers.length} `, make("span", { class: "quiet" }, answers.length === 1 ? "sample" : "samples")), make("div", { class: "samples" }, images), meta({ model_version: version }, seconds)];
}
// end
