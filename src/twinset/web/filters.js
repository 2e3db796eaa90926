/** Category chips and attribute filters with counts. */

import { button, make } from "./dom.js";
import { readable, words } from "./words.js";

const CHIPS = 6;
const FIELDS = 6;
const VALUES = 12;
const STOCK = "availability";
const IN_STOCK = /^(?:.*\/)?in[ _-]?stock$/i;
const HIDDEN = new Set(["category", "style", "price", "currency", STOCK]);

/** What narrows an answer; `changed()` is called once `chosen` is another. `priced`: whether there are prices. */
export function filters(categories, chosen, priced, changed) {
  return make("div", { class: "narrow" }, chips(categories, chosen, changed), panel(chosen, priced, changed));
}

function chips(categories, chosen, changed) {
  const told = (categories ?? []).map((one) => one.category);
  const shown = [...new Set([...(chosen.category ? [chosen.category] : []), ...told])].slice(0, CHIPS);
  if (!shown.length) return null;
  const chip = (category) => {
    const pressed = chosen.category === category;
    const press = () => {
      chosen.category = pressed ? null : category;
      changed();
    };
    return button(readable(category), press, { class: "chip", key: `chip ${category}`, aria: { pressed } });
  };
  return make("div", { class: "chips", role: "group", aria: { label: words.category } }, ...shown.map(chip));
}

function panel(chosen, priced, changed) {
  const fields = [...chosen.counts.keys()]
    .filter((field) => !HIDDEN.has(field) && Object.keys(chosen.counts.get(field).counts).length > 1)
    .slice(0, FIELDS);
  const stock = inStock(chosen, changed);
  if (!fields.length && !stock && !priced) return null;
  const summary = chosen.size ? `${words.filters} (${chosen.size})` : words.filters;
  const opened = ({ target }) => {
    chosen.open = target.open;
  };
  return make(
    "details",
    { class: "filters", open: chosen.open, ontoggle: opened },
    make("summary", { key: "filters", text: summary }),
    stock,
    priced ? prices(chosen, changed) : null,
    ...fields.map((field) => values(field, chosen, changed)),
  );
}

/** Shops spell it in many ways. */
function inStock(chosen, changed) {
  const told = chosen.offered(STOCK).filter(([value]) => IN_STOCK.test(value));
  if (!told.length) return null;
  const number = told.reduce((sum, [, some]) => sum + some, 0);
  const on = told.every(([value]) => chosen.has(STOCK, value));
  return choice(words.stock, number, on, "stock", (now) => {
    for (const [value] of told) chosen.choose(STOCK, value, now);
    changed();
  });
}

function values(field, chosen, changed) {
  const offered = chosen.offered(field);
  const rest = offered.filter(([value], place) => place >= VALUES && !chosen.has(field, value));
  const one = ([value, number]) =>
    choice(readable(value), number, chosen.has(field, value), `${field} ${value}`, (on) => {
      chosen.choose(field, value, on);
      changed();
    });
  const shown = offered.filter((pair) => !rest.includes(pair));
  const opened = ({ target }) => (target.open ? chosen.wide.add(field) : chosen.wide.delete(field));
  const facts = { class: "rest", open: chosen.wide.has(field), ontoggle: opened };
  const more = make("details", facts, make("summary", { key: `rest ${field}`, text: words.rest(rest.length) }), ...rest.map(one));
  return make("fieldset", {}, make("legend", { text: readable(field) }), ...shown.map(one), rest.length ? more : null);
}

function prices(chosen, changed) {
  const bound = (side, word) => {
    const input = make("input", { type: "number", min: 0, step: "any", key: side, value: chosen[side], aria: { label: word } });
    input.placeholder = word;
    input.addEventListener("change", () => {
      chosen[side] = input.validity.valid ? input.value : "";
      changed();
    });
    return input;
  };
  const legend = make("legend", { text: words.price });
  return make("fieldset", { class: "prices" }, legend, bound("least", words.least), bound("most", words.most));
}

function choice(word, number, on, key, changed) {
  const box = make("input", { type: "checkbox", checked: on, key });
  box.addEventListener("change", () => changed(box.checked));
  const count = number === null ? null : make("span", { class: "quiet", text: String(number) });
  return make("label", { class: "choice" }, box, make("span", { text: word }), count);
}
