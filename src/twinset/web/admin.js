/** The console: what is served, by which versions, how it fares, and the way back. For who has the admin key. */

import { ask, json, key, Problem, search } from "./api.js";
import { inWords } from "./closeness.js";
import { button, make, tell } from "./dom.js";
import { picker, pictures, prepare } from "./photo.js";
import { grid } from "./results.js";

const main = document.querySelector("#main");
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat();
const PLACES = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

async function show() {
  try {
    const [told, kept, limits, metrics] = await Promise.all([
      json("GET", "/v1/catalogue"),
      json("GET", "/v1/versions"),
      json("GET", "/v1/limits"),
      ask("GET", "/metrics").then((answer) => answer.text()).then(read),
    ]);
    main.replaceChildren(
      ...(told.names.length > 1 ? [others(told)] : []),
      catalogue(told, kept, metrics),
      table("Requests", totals(metrics, "twinset_requests_total", ["route", "status"]).filter(([route]) => route.startsWith("/v1"))),
      table("Refusals", totals(metrics, "twinset_refusals_total", ["code"])),
      table("Limits", Object.entries(limits).map(([name, value]) => [name.replaceAll("_", " "), limit(value)])),
    );
  } catch (error) {
    if (error instanceof Problem && ["wrong_key", "admin_only"].includes(error.code)) asked(error);
    else main.replaceChildren(failed(error), button("Try again", show, { class: "button" }));
  }
}

function asked(error) {
  const input = make("input", { type: "password", required: true, autocomplete: "off", aria: { label: "Admin key" } });
  const form = make(
    "form",
    { class: "start" },
    make("h1", { text: "Console" }),
    make("p", { class: "hint", text: error.status === 401 ? (key.get() ? "This key is not right." : "It needs the admin key.") : error.message }),
    make("div", { class: "target" }, input, make("button", { type: "submit", class: "button", text: "Go on" })),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(input.value);
    show();
  });
  main.replaceChildren(form);
  input.focus();
}

/** A server of several catalogues shows one of them at a time; the address says which. */
function others({ name, names }) {
  const one = (other) => {
    const aria = { current: other === name ? "page" : "false" };
    return make("a", { class: "chip", href: `?${new URLSearchParams({ catalogue: other })}`, text: other, aria });
  };
  return make("nav", { class: "chips", aria: { label: "Catalogues" } }, ...names.map(one));
}

function catalogue(told, kept, metrics) {
  const drift = valueOf(metrics, "twinset_score_drift", { catalogue: told.name });
  const rows = [
    ["Items", NUMBER.format(told.items)],
    ["Photos", NUMBER.format(told.photos)],
    ["Last written", WHEN.format(new Date(told.built))],
    ["Score drift", drift === null ? "not calibrated, or too few searches" : `${PLACES.format(drift)} standard deviations`],
  ];
  const versions = kept.versions.toReversed().map((one) => [
    String(one.number),
    one.bundle,
    one.fingerprint.slice(0, 12),
    NUMBER.format(one.photos),
    one.live ? "answers" : "",
  ]);
  const said = make("p", { role: "alert" });
  const back = async (event) => {
    if (!confirm(`Make the version of ${told.name} answer again that answered before?`)) return;
    event.target.disabled = true;
    try {
      await json("POST", "/v1/versions/rollback", { catalogue: told.name });
      tell("Rolled back.");
      await show();
    } catch (error) {
      said.textContent = error.message;
      event.target.disabled = false;
    }
  };
  return make(
    "section",
    {},
    table(told.name, rows),
    table("Versions", versions, ["Number", "Bundle", "Fingerprint", "Photos", ""]),
    kept.versions.length > 1 ? button("Roll back", back, { class: "button" }) : null,
    said,
    trial(told.name),
  );
}

/** A search with a photo, as shoppers do it. */
function trial(name) {
  const found = make("div", { aria: { live: "polite" } });
  const given = async (files) => {
    try {
      const [file] = pictures(files);
      if (!file) throw new Error("This file is no photo.");
      const photo = await prepare(file).catch(() => {
        throw new Error("This file is no photo.");
      });
      const answer = await search([photo.blob], { k: 5 });
      const acts = { near: inWords, alike: (hit) => open(`/?${new URLSearchParams({ catalogue: name, item: hit.item_id })}`), seen() {}, clicked() {} };
      const ms = Object.entries(answer.ms).map(([stage, time]) => `${stage} ${PLACES.format(time)} ms`);
      found.replaceChildren(
        make("p", { class: "quiet", text: ms.join(" · ") }),
        grid(answer.hits, null, acts),
      );
    } catch (error) {
      found.replaceChildren(failed(error));
    }
  };
  return make(
    "section",
    {},
    make("h2", { text: "Sample search" }),
    picker("Choose a photo", given),
    found,
  );
}

/** Of searches a minute and a day 0 is none. */
function limit(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value === 0 ? "no limit" : NUMBER.format(value);
}

const failed = (error) => make("p", { class: "error", role: "alert", text: error.message || String(error) });

function table(title, rows, heads = []) {
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((cell, place) => make(place ? "td" : "th", { scope: place ? null : "row", text: cell }))),
  );
  return make(
    "section",
    {},
    make("h2", { text: title }),
    rows.length
      ? make(
          "table",
          {},
          heads.length ? make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))) : null,
          make("tbody", {}, ...body),
        )
      : make("p", { class: "quiet", text: "None yet." }),
  );
}

/** Prometheus' text as `[name, labels, value]`. */
function read(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const parts = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = Object.fromEntries([...(parts[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((one) => [one[1], unescaped(one[2])]));
    found.push([parts[1], labels, Number(parts[3])]);
  }
  return found;
}

const unescaped = (text) => text.replace(/\\(.)/g, (_, one) => (one === "n" ? "\n" : one));

const totals = (metrics, name, labels) =>
  metrics
    .filter(([other]) => other === name)
    .toSorted((one, other) => other[2] - one[2])
    .map(([, told, value]) => [...labels.map((label) => told[label]), NUMBER.format(value)]);

const valueOf = (metrics, name, labels) =>
  metrics.find(([other, told]) => other === name && Object.entries(labels).every(([label, value]) => told[label] === value))?.[2] ?? null;

show();
