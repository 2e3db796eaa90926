/** Elements from names and facts; text is only ever text. */

/** `make("button", { class: "x", key: "…", text: "…", onclick: …, aria: { label: "…" } }, child, …)`; see `redraw`. */
export function make(name, facts = {}, ...children) {
  const made = document.createElement(name);
  for (const [fact, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (fact === "text") made.textContent = value;
    else if (fact === "class") made.className = value;
    else if (fact === "key") made.dataset.key = value;
    else if (fact === "aria") for (const [what, said] of Object.entries(value)) made.setAttribute(`aria-${what}`, said);
    else if (fact.startsWith("on")) made.addEventListener(fact.slice(2), value);
    else if (value === true) made.setAttribute(fact, "");
    else made.setAttribute(fact, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, onclick, facts = {}) => make("button", { type: "button", text, onclick, ...facts });

/**
 * Draws a place anew. Who was at one of its controls stays at the one with the same key, with what was typed there; else
 * at the place.
 */
export function redraw(place, ...children) {
  const was = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...children.filter(Boolean));
  if (!was) return;
  const key = was.dataset.key;
  const now = key === undefined ? null : place.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (now?.type === "number") now.value = was.value;
  (now ?? place).focus({ preventScroll: true });
}

/** Says something to who listens instead of looks. */
export function tell(text) {
  const place = document.querySelector("#told");
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = text;
  });
}

/** An address that a browser may follow: a whole one, of the web, nothing that runs; null for any other. */
export function link(address) {
  try {
    const found = new URL(address);
    return ["http:", "https:"].includes(found.protocol) ? found.href : null;
  } catch {
    return null;
  }
}

/** The page's address of an item, or of none: the language and the catalogue stay in it. */
export function addressOf(id) {
  const address = new URL(`/${location.search}`, location.origin);
  if (id === null) address.searchParams.delete("item");
  else address.searchParams.set("item", id);
  return address;
}
