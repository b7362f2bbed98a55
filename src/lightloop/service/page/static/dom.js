// Elements, numbers in words, and the one way to ask the service.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  // Never innerHTML: names of classes and columns are data.
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

export const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const number = (value) => {
  if (value === null || value === undefined) return "not known";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e7)) return value.toPrecision(3);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4 });
};
export const percent = (share) => {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
};
export const signed = (value) => `${value < 0 ? "−" : "+"}${number(Math.abs(value))}`;

const KEY = "lightloop-key";
export const key = {
  get: () => { try { return sessionStorage.getItem(KEY) ?? ""; } catch { return key.held ?? ""; } },
  set: (text) => {
    key.held = text;
    try { if (text) sessionStorage.setItem(KEY, text); else sessionStorage.removeItem(KEY); } catch { /* held above */ }
  },
};

// What went wrong, in the service's own sentence.
export class Fault extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

export async function ask(path, body) {
  const headers = { accept: "application/json" };
  if (key.get()) headers["x-api-key"] = key.get();
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store" });
  } catch {
    throw new Fault("The service did not answer: see whether it still runs, then try again.", 0);
  }
  const content = await response.json().catch(() => null);
  if (response.ok && content !== null) return content;
  const again = response.headers.get("retry-after");
  const said = content?.error ?? `The service answered ${response.status}${response.statusText ? ` (${response.statusText})` : ""}.`;
  throw new Fault(again ? `${said} (try again in ${again} s)` : said, response.status);
}
