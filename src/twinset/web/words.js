/** All words of the page, in the language that was chosen, else in the browser's, else in English. */

import { forBrowser } from "./kept.js";
import { known } from "./languages.js";
import de from "./words/de.js";
import en from "./words/en.js";
import ja from "./words/ja.js";

const CHOSEN = "twinset-language";

export const language = known([
  new URLSearchParams(location.search).get("lang"),
  forBrowser.get(CHOSEN),
  ...navigator.languages,
]);
export const words = { en, de, ja }[language];
/** With the country, where the browser names one: a price is written differently in each. */
const locale = navigator.languages.find((tag) => known([tag]) === language && tag.startsWith(language)) ?? language;

export function choose(other) {
  forBrowser.set(CHOSEN, other);
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  history.replaceState(history.state, "", address);
  location.reload();
}

/** A price as the shopper's country writes it; as it stands where it has no currency or is no number. */
export function price(attributes) {
  const amount = Number(attributes.price);
  if (!attributes.price || !Number.isFinite(amount)) return attributes.price ?? "";
  try {
    return new Intl.NumberFormat(locale, { style: "currency", currency: attributes.currency }).format(amount);
  } catch {
    return new Intl.NumberFormat(locale, { minimumFractionDigits: 2 }).format(amount);
  }
}

/** A category or a value as a person reads it. */
export const readable = (text) => text.split("/").at(-1).replaceAll("_", " ");
