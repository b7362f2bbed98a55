// A form from the schema of a record: what is typed, dropped or pasted becomes the JSON that /v1/predict takes.
// Each kind of record is an object {element, record(), fill(record), shown()}; `shown` is what the answer draws upon.

import { make, number, Fault } from "./dom.js";
// feature: series
import { course } from "./chart.js";
import { readNumbers, readSeriesFile } from "./series.js";
// end

// feature: image
// Larger pictures are made smaller for sending; a phone's camera gives more than any model looks at.
const LARGE_FILE = 4_000_000;
const LARGE_SIDE = 2048;

// end
// A number without the digits that single precision leaves behind: the same one to the model.
export function short(value) {
  if (typeof value !== "number") return value ?? "";
  const rounded = [7, 8, 9].map((digits) => Number(value.toPrecision(digits))).find((one) => Math.fround(one) === Math.fround(value));
  return String(rounded ?? value);
}

// Midnight goes without saying.
const day = (stamp) => String(stamp).replace(/T00:00:00$/, "");

// What a property says once its null alternative and its references are taken away.
function plain(property, schema) {
  let found = property ?? {};
  if (found.$ref) found = { ...schema.$defs?.[found.$ref.split("/").pop()], ...found };
  const kinds = (found.anyOf ?? found.oneOf ?? []).filter((one) => one.type !== "null");
  if (kinds.length) found = { ...found, ...plain(kinds[0], schema) };
  if (Array.isArray(found.type)) found = { ...found, type: found.type.find((type) => type !== "null") };
  return found;
}

function field(name, control, note) {
  const id = `field-${name}`;
  control.id = id;
  control.name = name;
  const caption = note ? make("span", { class: "caption", id: `${id}-note` }, note) : null;
  if (caption) control.setAttribute("aria-describedby", caption.id);
  return make("div", { class: "entry" }, make("label", { for: id }, name), control, caption);
}

// Tables.

const OTHER = "\u0000other";

function numberField(name, property) {
  const [low, high] = property["x-range"] ?? [];
  const known = Number.isFinite(low) && Number.isFinite(high);
  // Text with a keyboard for numbers: a number field drops what it does not understand without a word.
  const input = make("input", { type: "text", inputmode: "decimal", autocomplete: "off", placeholder: "missing" });
  const read = () => {
    const text = input.value.trim();
    if (!text) return null;
    // What is no number is sent as it is: the service says what it expected.
    const value = Number(text.replace(",", "."));
    return Number.isFinite(value) ? value : text;
  };
  return { element: field(name, input, known ? `trained on ${number(low)} to ${number(high)}` : null), read, write: (value) => { input.value = short(value); } };
}

function categoryField(name, property) {
  const values = property["x-values"] ?? [];
  const other = make("input", { type: "text", "aria-label": `${name}, another value`, placeholder: "another value", autocomplete: "off", hidden: true });
  const select = make("select", {}, make("option", { value: "" }, "missing"), values.map((value) => make("option", { value }, value)), make("option", { value: OTHER }, "another value …"));
  const show = () => { other.hidden = select.value !== OTHER; };
  select.addEventListener("change", () => { show(); if (!other.hidden) other.focus(); });
  const element = field(name, select);
  element.append(other);
  return {
    element,
    read: () => (select.value === OTHER ? other.value || null : select.value || null),
    write: (value) => {
      const known = value === null || value === undefined || values.includes(String(value));
      select.value = known ? value ?? "" : OTHER;
      other.value = known ? "" : value;
      show();
    },
  };
}

function tableForm(schema) {
  const parts = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const found = plain(property, schema);
    const isNumber = ["number", "integer"].includes(found.type);
    return [name, isNumber ? numberField(name, found) : categoryField(name, found)];
  });
  const record = () => Object.fromEntries(parts.map(([name, part]) => [name, part.read()]));
  return {
    element: make("div", { class: "columns-of" }, parts.map(([, part]) => part.element)),
    record,
    fill: (values) => { for (const [name, part] of parts) part.write(values[name]); },
    shown: record,
    label: (values) => parts.slice(0, 2).map(([name]) => `${name} ${short(values[name]) || "missing"}`).join(", "),
  };
}

// feature: text
// Texts.

function textForm() {
  const area = make("textarea", { rows: 8, spellcheck: false });
  return {
    element: field("text", area),
    record: () => ({ text: area.value }),
    fill: (values) => { area.value = values.text ?? ""; },
    shown: () => area.value,
    label: (values) => values.text.trim().slice(0, 40) || "(empty)",
  };
}

// end
// feature: image
// Images.

const asBase64 = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
  reader.addEventListener("error", () => reject(new Fault("The file could not be read: choose it again.", 0)));
  reader.readAsDataURL(blob);
});

async function smaller(file) {
  if (file.size <= LARGE_FILE) return [file, null];
  const bitmap = await createImageBitmap(file).catch(() => null);
  // What the browser can't read either is the service's to refuse.
  if (!bitmap) return [file, null];
  const scale = Math.min(1, LARGE_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = make("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
  return [blob, `made smaller for sending: ${canvas.width} by ${canvas.height} pixels`];
}

const kindOf = (base64) => (base64.startsWith("iVBOR") ? "png" : base64.startsWith("/9j/") ? "jpeg" : base64.startsWith("R0lG") ? "gif" : base64.startsWith("UklG") ? "webp" : "png");
export const asAddress = (base64) => `data:image/${kindOf(base64)};base64,${base64}`;

function imageForm() {
  let base64 = null;
  const image = make("img", { alt: "", hidden: true });
  const words = make("span", {}, "Drop an image here, paste it, or choose a file");
  const input = make("input", { type: "file", accept: "image/*", id: "field-image", "aria-label": "Image file" });
  const camera = make("input", { type: "file", accept: "image/*", capture: "environment", "aria-label": "Take a photo" });
  const drop = make("div", { class: "drop" }, image, words, input);
  const show = (text, note) => {
    base64 = text;
    image.hidden = !text;
    if (text) image.src = asAddress(text); else image.removeAttribute("src");
    words.textContent = text ? note ?? "Another one: drop, paste or choose" : "Drop an image here, paste it, or choose a file";
  };
  image.addEventListener("load", () => image.classList.toggle("large", image.naturalWidth > 128));
  image.addEventListener("error", () => { if (base64) { image.hidden = true; words.textContent = "a file that this browser does not show as an image"; } });
  const take = async (file) => {
    if (!file) return;
    const [blob, note] = await smaller(file);
    show(await asBase64(blob), note);
    drop.dispatchEvent(new CustomEvent("taken", { bubbles: true }));
  };
  for (const chooser of [input, camera]) chooser.addEventListener("change", () => take(chooser.files[0]));
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) { event.preventDefault(); take(file); }
  });
  return {
    element: make("div", { class: "entry" }, drop, make("span", { class: "choices" }, make("span", { class: "camera" }, "Take a photo", camera))),
    record: () => {
      if (!base64) throw new Fault("Choose an image first.", 0);
      return { image: base64 };
    },
    fill: (values) => show(values.image ?? null),
    shown: () => asAddress(base64),
    label: () => "image",
    picture: (values) => asAddress(values.image),
  };
}

// end
// feature: series
// Series.

function seriesForm(schema) {
  const names = Object.keys(schema.properties ?? {});
  const column = names.find((name) => plain(schema.properties[name], schema).type === "array") ?? names[0];
  const time = names.find((name) => name !== column) ?? null;
  const area = make("textarea", { class: "numbers", rows: 6, spellcheck: false, placeholder: "12.1, 12.4, , 12.9" });
  const file = make("input", { type: "file", accept: ".csv,.json,.txt,text/csv,application/json" });
  const preview = make("div", { class: "plot" });
  const stamp = time ? make("input", { type: "text", placeholder: "2026-01-05", autocomplete: "off" }) : null;
  const look = () => {
    const { values } = readNumbers(area.value);
    preview.replaceChildren(...(values.length > 1 ? [course({ past: values, label: `The ${values.length} values given` })] : []));
  };
  area.addEventListener("input", look);
  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    const read = readSeriesFile(await file.files[0].text(), column, time);
    area.value = read.values.map((value) => value ?? "").join(", ");
    if (stamp && read.time) stamp.value = read.time;
    look();
  });
  return {
    element: make(
      "div", { class: "entry" },
      field(column, area, "numbers, the oldest first; nothing between two commas is a gap"),
      field("file", file, `a CSV with a column ${column}, or JSON`),
      stamp ? field(time, stamp, "of the last value") : null,
      preview,
    ),
    record: () => {
      const { values, wrong } = readNumbers(area.value);
      if (wrong !== null) throw new Fault(`"${wrong}" is no number: give numbers with commas, spaces or lines between them.`, 0);
      return { [column]: values, ...(stamp && stamp.value.trim() ? { [time]: stamp.value.trim() } : {}) };
    },
    fill: (values) => {
      area.value = (values[column] ?? []).map(short).join(", ");
      if (stamp) stamp.value = day(values[time] ?? "");
      look();
    },
    shown: () => readNumbers(area.value).values,
    label: (values) => `${values[column].length} values${time && values[time] ? ` until ${day(values[time])}` : ""}`,
  };
}

// end
// feature: generation
// Generation.

function mulberry(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function noiseForm(schema) {
  const property = plain(schema.properties?.noise, schema);
  const size = property.minItems ?? schema.examples?.[0]?.noise?.length ?? 1;
  const count = make("select", {}, [1, 4, 9, 16, 36].map((value) => make("option", { value, selected: value === 16 }, String(value))));
  const seed = make("input", { type: "text", inputmode: "numeric", value: "1", autocomplete: "off" });
  return {
    element: make("div", { class: "columns-of" }, field("samples", count), field("seed", seed, "the same one gives the same samples")),
    records: () => {
      if (!/^\d{1,9}$/.test(seed.value.trim())) throw new Fault("The seed is a whole number of at most nine digits.", 0);
      const draw = mulberry(Number(seed.value));
      const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
      return Array.from({ length: Number(count.value) }, () => ({ noise: Array.from({ length: size }, normal) }));
    },
    record: () => null,
    fill: () => {},
    shown: () => null,
    label: () => "noise",
  };
}
// end

export function formOf(metadata) {
  const schema = metadata.input ?? {};
  // feature: generation
  if (metadata.problem === "generation") return noiseForm(schema);
  // end
  switch (metadata.modality) {
    // feature: image
    case "image": return imageForm();
    // end
    // feature: text
    case "text": return textForm();
    // end
    // feature: series
    case "series": return seriesForm(schema);
    // end
    default: return tableForm(schema);
  }
}
