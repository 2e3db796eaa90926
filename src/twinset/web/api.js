/** What the server is asked; a refusal is thrown as the problem that it tells. */

import { forTab } from "./kept.js";

const KEY = "twinset-key";

export class Problem extends Error {
  constructor(status, told) {
    super(told.detail ?? "");
    this.status = status;
    this.code = told.code ?? "";
  }
}

/** The key that was typed in, for as long as the page's tab is open. */
export const key = {
  get: () => forTab.get(KEY),
  set: (text) => forTab.set(KEY, text.trim()),
};

const catalogue = new URLSearchParams(location.search).get("catalogue");

export async function ask(method, path, parameters = {}, body = undefined, signal = undefined, more = {}) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries({ catalogue, ...parameters })) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== false) address.searchParams.append(name, one);
    }
  }
  const headers = {};
  // What no header can hold is no key; the browser would say no more than that nothing could be sent.
  if (!/^[!-~]*$/.test(key.get())) throw new Problem(401, { code: "wrong_key", detail: "this is no key" });
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined && !(body instanceof Blob) && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const answer = await fetch(address, { method, headers, body, signal, ...more }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: navigator.onLine ? "unreachable" : "offline", detail: error.message });
  });
  if (answer.ok) return answer;
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}

export const json = async (...asked) => (await ask(...asked)).json();

function form(photos) {
  if (photos.length === 1) return photos[0];
  const made = new FormData();
  for (const photo of photos) made.append("photo", photo, "photo.jpg");
  return made;
}

/** An answer, each of whose hits knows of which: of those that one list shows not all are of one answer. */
async function answered(...asked) {
  const answer = await json(...asked);
  for (const hit of answer.hits) hit.query_id = answer.query_id;
  return answer;
}

export const search = (photos, options, signal) => answered("POST", "/v1/search", options, form(photos), signal);

export const similar = (id, options, signal) =>
  answered("GET", `/v1/items/${encodeURIComponent(id)}/similar`, options, undefined, signal);

export const refine = (queryId, positive, negative, options, signal) =>
  answered("POST", "/v1/feedback", options, { query_id: queryId, positive, negative }, signal);

export const item = (id, signal) => json("GET", `/v1/items/${encodeURIComponent(id)}`, {}, undefined, signal);

/** Which places of the photo, and of an item's best photo, make their score; null where the model cannot tell. */
export async function explain(photo, id, box, signal) {
  const options = { k: 1, explain: 1, box, where: [`item_id=${literal(id)}`], categories: "false", noted: "false" };
  const answer = await search([photo], options, signal);
  return answer.explained?.[0] ?? null;
}

/** Notes what a shopper did; it arrives although the page may be left by then. */
export const tell = (queryId, itemId, position, kind) =>
  ask("POST", "/v1/events", {}, { query_id: queryId, item_id: itemId, position, kind }, undefined, { keepalive: true });

let known = null;

/** What the server takes and notes; asked once. */
export function limits() {
  known ??= json("GET", "/v1/limits").catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

const pictures = new Map();

/** A photo's address. A key cannot stand in an `<img>`: with one the photo is fetched, and shown from memory. */
export async function picture(id, size) {
  const parameters = { size, catalogue };
  if (!key.get()) {
    const address = new URL(`/v1/photos/${encodeURIComponent(id)}`, location.origin);
    for (const [name, value] of Object.entries(parameters)) if (value) address.searchParams.set(name, value);
    return address.href;
  }
  const name = `${id} ${size}`;
  if (!pictures.has(name)) {
    const fetched = ask("GET", `/v1/photos/${encodeURIComponent(id)}`, { size }).then((answer) => answer.blob());
    pictures.set(name, fetched.then(URL.createObjectURL));
    fetched.catch(() => pictures.delete(name));
  }
  return pictures.get(name);
}

/** A value that a filter takes letter by letter; white space at its ends, which it would drop, is among the letters. */
export const literal = (text) => text.replace(/[\\*|]|^[^\p{L}\p{N}]|[^\p{L}\p{N}]$/gu, "\\$&");
