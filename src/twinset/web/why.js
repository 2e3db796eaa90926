/** A window that shows which places of the shopper's photo and of an item's make them alike. */

import { explain } from "./api.js";
import { button, make } from "./dom.js";
import { largest, overlay } from "./heat.js";
import { name, photo } from "./results.js";
import { mishap } from "./waiting.js";
import { words } from "./words.js";

export async function why(shown, hit, box) {
  const place = make("div", { class: "pair", aria: { busy: true } });
  const dialog = make(
    "dialog",
    { class: "why", aria: { label: words.whyTitle } },
    make("h2", { text: words.whyTitle }),
    make("p", { class: "quiet", text: words.whyHint }),
    place,
    button(words.close, () => dialog.close(), { class: "button" }),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  const found = await explain(shown.blob, hit.item_id, box).catch((error) => error);
  place.removeAttribute("aria-busy");
  if (!found?.query) {
    place.replaceChildren(make("p", { text: !found || found.code === "usage" ? words.whyNot : mishap(found) }));
    return;
  }
  const most = largest(found.query, found.hit);
  const own = make("img", { src: shown.url, width: shown.width, height: shown.height, alt: "" });
  const theirs = photo(found.photo_id, "", 640);
  theirs.removeAttribute("width");
  theirs.removeAttribute("height");
  theirs.loading = "eager";
  place.replaceChildren(
    make("div", { class: "frame" }, own, overlay(found.query, most, words.why_query)),
    make("div", { class: "frame", title: name(hit) }, theirs, overlay(found.hit, most, words.why_hit)),
  );
}
