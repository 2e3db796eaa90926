/** Items as a grid of tiles: pictures first, then few words. */

import { picture } from "./api.js";
import { isSame } from "./closeness.js";
import { addressOf, button, link, make } from "./dom.js";
import { watch } from "./events.js";
import { price, readable, words } from "./words.js";

const WAITING = 12;

export const name = (hit) => hit.title || hit.item_id;

/**
 * The tiles of hits. `acts` are `alike`, `seen` and `clicked`; of a `search` `right`, `wrong` and `why` besides, and
 * `near`, how near a hit is in words.
 */
export function grid(hits, search, acts) {
  const tiles = new Map(hits.map((hit) => [tile(hit, search, acts), hit]));
  watch(tiles.keys(), (seen) => acts.seen(tiles.get(seen)));
  return make("ul", { class: "grid" }, ...tiles.keys());
}

function tile(hit, search, acts) {
  const shop = link(hit.url);
  const shown = photo(hit.photo_id, name(hit));
  const near = acts.near?.(hit);
  const facts = shop ? { href: shop, target: "_top", rel: "noopener" } : { href: addressOf(hit.item_id) };
  const opened = (event) => {
    acts.clicked(hit);
    if (!shop && !event.metaKey && !event.ctrlKey && !event.shiftKey) acts.alike(hit, event);
  };
  return make(
    "li",
    { class: "tile" },
    make("a", { class: "picture", ...facts, onclick: opened }, shown),
    others(hit, shown),
    make(
      "div",
      { class: "said" },
      near ? make("p", { class: isSame(hit) ? "close same" : "close", text: near }) : null,
      make("p", { class: "title", text: hit.title || readable(hit.category) || hit.item_id }),
      make("p", { class: "price", text: price(hit.attributes) }),
      hit.title && hit.category ? make("p", { class: "quiet", text: readable(hit.category) }) : null,
    ),
    make(
      "div",
      { class: "acts", role: "group", aria: { label: name(hit) } },
      act(words.alike, () => acts.alike(hit), hit),
      acts.why ? act(words.why, () => acts.why(hit), hit) : null,
      acts.right ? act(words.right, () => acts.right(hit), hit, search.right.has(hit.item_id)) : null,
      acts.wrong ? act(words.wrong, () => acts.wrong(hit), hit, search.wrong.has(hit.item_id)) : null,
    ),
  );
}

function act(word, done, hit, pressed = undefined) {
  const aria = { label: `${word}: ${name(hit)}` };
  if (pressed !== undefined) aria.pressed = pressed;
  return button(word, done, { class: "act", key: `${word} ${hit.item_id}`, aria });
}

/** A photo of the shop; without a key it is fetched when it comes near the window. */
export function photo(id, alt, size = 320) {
  const shown = make("img", { alt, width: 3, height: 4, loading: "lazy", decoding: "async" });
  shown.addEventListener("error", () => shown.classList.add("lost"));
  show(shown, id, size);
  return shown;
}

/** Shows a photo in an `<img>`: of several that are asked for one after another the last, whichever comes last. */
export async function show(shown, id, size) {
  shown.dataset.photo = id;
  const address = await picture(id, size).catch(() => null);
  if (shown.dataset.photo !== id) return;
  shown.classList.toggle("lost", !address);
  if (address) shown.src = address;
}

/** The other photos of an item, small; one that is pointed at or focused stands in for the first. */
function others(hit, shown) {
  if (hit.photos.length < 2) return make("div", { class: "others" });
  const strip = make("div", { class: "others", role: "group", aria: { label: words.others } });
  strip.addEventListener("pointerleave", () => show(shown, hit.photo_id, 320));
  hit.photos.slice(0, 5).forEach((one, place) => {
    const change = () => show(shown, one.photo_id, 320);
    const small = button("", change, { class: "dot", aria: { label: `${name(hit)}, ${place + 1}` } });
    small.addEventListener("pointerenter", change);
    small.addEventListener("focus", change);
    strip.append(small);
  });
  return strip;
}

/** Tiles without anything in them. */
export const waiting = (count) =>
  Array.from({ length: count }, () =>
    make("li", { class: "tile waiting", aria: { hidden: true } }, make("div", { class: "picture" }), make("div", { class: "said" })),
  );

/** A grid of them, while something is looked for. */
export const skeleton = () => make("ul", { class: "grid", aria: { hidden: true } }, ...waiting(WAITING));
