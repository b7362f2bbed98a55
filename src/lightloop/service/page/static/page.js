// The page of the service: what the model takes is read from the service, so is every sentence about faults.

import { showAnswer } from "./answer.js";
import { Fault, ask, key, make, number } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { formOf } from "./fields.js";
// feature: generation
import { showSamples } from "./answer.js";
import { asAddress } from "./fields.js";
// end

const part = (id) => document.getElementById(id);
// A table's row is long: no more examples than fit.
const EXAMPLES = 8;
const KINDS = {
  // feature: image
  image: "images",
  // end
  // feature: tabular
  tabular: "tables",
  // end
  // feature: text
  text: "texts",
  // end
  // feature: series
  series: "series",
  // end
};

let metadata = null;
let form = null;
// Only the newest question may write its answer.
let turn = 0;

function about(found) {
  part("model").textContent = `${found.name} · ${found.version ?? "no version"}`;
  document.title = `${found.name} · Lightloop service`;
  part("title").textContent = found.name;
  const classes = found.classes ?? [];
  const said = {
    classification: `Says which of ${classes.length} classes a record belongs to${classes.length && classes.length <= 12 ? `: ${classes.join(", ")}` : ""}.`,
    regression: "Says a number.",
    // feature: series
    forecasting: "Says how a series goes on.",
    // end
    // feature: generation
    generation: "Makes new images.",
    // end
  }[found.problem] ?? `Solves ${found.problem}.`;
  part("kind").textContent = `${found.problem.charAt(0).toUpperCase()}${found.problem.slice(1)} of ${KINDS[found.modality] ?? found.modality}`;
  // feature: generation
  if (found.problem === "generation") part("kind").textContent = "Generation";
  // end
  part("about").textContent = `${said}${measured(found.metrics)}`;
}

// The first metric, with its interval, where the bundle tells.
function measured(metrics) {
  const [name, figure] = Object.entries(metrics ?? {})[0] ?? [];
  if (!name) return "";
  const value = typeof figure === "number" ? figure : figure?.value;
  if (typeof value !== "number") return "";
  const interval = figure.low === undefined || figure.low === null ? "" : ` [${number(figure.low)}, ${number(figure.high)}]`;
  return ` On test records: ${name.replaceAll("_", " ")} ${number(value)}${interval}.`;
}

function offer(examples) {
  const box = part("examples");
  const buttons = examples.slice(0, EXAMPLES).map((record, place) => {
    const picture = form.picture?.(record);
    const inner = picture ? make("img", { src: picture, alt: `Example ${place + 1}` }) : make("span", {}, form.label(record));
    return make("button", { type: "button", class: picture ? "choice picture" : "choice", onclick: () => { form.fill(record); submit(); } }, inner);
  });
  box.replaceChildren(make("span", { class: "caption" }, "Try an example"), ...buttons);
  box.hidden = !buttons.length;
  // feature: generation
  if (metadata.problem === "generation") box.hidden = true;
  // end
}

function blame(error, where = "fault") {
  if (!(error instanceof Fault)) throw error;
  if (error.status === 401 || error.status === 403) {
    part("access").open = true;
    part("key").focus();
  }
  part(where).replaceChildren(make("p", { class: "notice bad" }, error.message));
}

function clear() {
  for (const id of ["fault", "answer", "explanation"]) part(id).replaceChildren();
  part("status").textContent = "";
}

// On a phone, or below a long form, the answer would come out of sight.
function see(title) {
  const { top, bottom } = title.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight * 0.75) title.closest(".pane").scrollIntoView({ block: "start", behavior: "instant" });
}

// feature: generation
async function sample(mine) {
  const started = performance.now();
  const found = await ask("v1/predict/many", { records: form.records() });
  if (mine !== turn) return;
  part("answer").replaceChildren(...showSamples(found.predictions, { version: found.model_version, seconds: (performance.now() - started) / 1000, address: asAddress }));
  part("status").textContent = `${found.predictions.length} samples`;
}
// end

async function predict(mine) {
  const record = form.record();
  const shown = form.shown();
  const started = performance.now();
  const found = await ask("v1/predict", record);
  if (mine !== turn) return;
  part("answer").replaceChildren(...showAnswer(found, { shown, metadata, seconds: (performance.now() - started) / 1000 }));
  if (metadata.explains) part("answer").append(make("button", { type: "button", class: "plain", id: "explain", onclick: () => explain(record, shown) }, "Explain this answer"));
  part("status").textContent = found.label === undefined ? `answered: ${number(found.values[0])}` : `answered: ${found.label}`;
}

async function submit() {
  if (!form) return;
  turn += 1;
  const mine = turn;
  part("answer").setAttribute("aria-busy", "true");
  part("explanation").replaceChildren();
  part("fault").replaceChildren();
  part("status").textContent = "asking …";
  try {
    // feature: generation
    if (form.records) return void (await sample(mine));
    // end
    await predict(mine);
  } catch (error) {
    if (mine !== turn) return;
    clear();
    blame(error);
  } finally {
    if (mine === turn) {
      part("answer").removeAttribute("aria-busy");
      see(part("answer-title"));
    }
  }
}

async function explain(record, shown) {
  const mine = turn;
  const button = part("explain");
  button.disabled = true;
  button.textContent = "Explaining …";
  part("fault").replaceChildren();
  try {
    const found = await ask("v1/explain", record);
    if (mine !== turn) return;
    part("explanation").replaceChildren(...showExplanation(found, shown));
    button.remove();
    const title = part("explanation").querySelector("h3");
    title.tabIndex = -1;
    title.focus();
  } catch (error) {
    if (mine !== turn) return;
    button.disabled = false;
    button.textContent = "Explain this answer";
    blame(error);
  }
}

async function start() {
  try {
    metadata = await ask("v1/metadata");
  } catch (error) {
    blame(error);
    return;
  }
  part("fault").replaceChildren();
  // A link can't send the key.
  part("links").hidden = Boolean(key.get());
  about(metadata);
  form = formOf(metadata);
  part("fields").replaceChildren(form.element);
  part("send").disabled = false;
  part("send").textContent = "Predict";
  // feature: generation
  if (metadata.problem === "generation") part("send").textContent = "Make samples";
  // end
  offer(metadata.examples ?? metadata.input?.examples ?? []);
}

part("ask").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
part("ask").addEventListener("reset", () => {
  turn += 1;
  clear();
  // After the browser's own reset.
  setTimeout(() => form?.fill({}));
});
part("ask").addEventListener("taken", submit);
part("key").value = key.get();
part("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(part("key").value.trim());
  if (form) submit(); else start();
});
start();
