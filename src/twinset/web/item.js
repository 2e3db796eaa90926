/** One item: its photos, what it is and costs, the way to the shop, and a link that can be passed on. */

import { button, link, make, tell } from "./dom.js";
import { name, photo, show } from "./results.js";
import { price, readable, words } from "./words.js";

const HIDDEN = new Set(["price", "currency", "split", "availability"]);

export function item(shown) {
  const main = photo(shown.photos[0].photo_id, name(shown), 640);
  main.loading = "eager";
  const shop = link(shown.url);
  return make(
    "article",
    { class: "item" },
    make(
      "div",
      { class: "photos" },
      make("div", { class: "large" }, main),
      shown.photos.length > 1
        ? make("div", { class: "others", role: "group", aria: { label: words.others } }, ...shown.photos.map((one, place) => thumb(one, place, shown, main)))
        : null,
    ),
    make(
      "div",
      { class: "said" },
      make("h1", { text: name(shown) }),
      make("p", { class: "price", text: price(shown.attributes) }),
      shown.category ? make("p", { class: "quiet", text: shown.category.split("/").map(readable).join(" · ") }) : null,
      facts(shown.attributes),
      shop ? make("a", { class: "button", href: shop, target: "_top", rel: "noopener", text: words.shop }) : null,
      button(words.share, share, { class: "quiet" }),
      make("p", { class: "quiet shared" }),
    ),
  );
}

function thumb(one, place, shown, main) {
  const facts = { class: "thumb", aria: { label: `${name(shown)}, ${place + 1}` } };
  const small = button("", () => show(main, one.photo_id, 640), facts);
  small.append(photo(one.photo_id, "", 160));
  return small;
}

function facts(attributes) {
  const told = Object.entries(attributes).filter(([field, value]) => !HIDDEN.has(field) && value);
  if (!told.length) return null;
  return make(
    "dl",
    {},
    ...told.flatMap(([field, value]) => [
      make("dt", { text: readable(field) }),
      make("dd", { text: value.split("|").map(readable).join(", ") }),
    ]),
  );
}

/** The page's address without what is of this visitor: a frame around it, and the language. */
function shared() {
  const address = new URL(location.href);
  for (const own of ["embedded", "lang"]) address.searchParams.delete(own);
  return address.href;
}

/** By the phone's own means where it has some; the clipboard is there on secure pages alone. */
async function share() {
  if (navigator.share && matchMedia("(pointer: coarse)").matches) {
    const done = await navigator.share({ url: shared() }).then(() => true, (error) => error.name === "AbortError");
    if (done) return;
  }
  const copied = await navigator.clipboard?.writeText(shared()).then(() => true, () => false);
  const said = document.querySelector(".shared");
  said.textContent = copied ? words.shared : shared();
  tell(said.textContent);
}
