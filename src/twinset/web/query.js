/** The shopper's photos beside the results: the box, boxes that the model suggests, more photos of one garment. */

import { cropper, same, WHOLE } from "./crop.js";
import { button, make, redraw } from "./dom.js";
import { picker } from "./photo.js";
import { words } from "./words.js";

const PARTS = 4;

/**
 * The photos of a search. `acts` are `box(box)`, `add(files)` and `remove(place)`. What it returns has an `element`,
 * and `update()` for when the search's boxes have become others; a box that is just being moved stays in hand.
 */
export function query(search, acts) {
  const { photos, most } = search;
  const element = make("section", { class: "query", aria: { label: words.yours } });
  let update = () => null;
  const more = photos.length < most ? another(acts) : "";
  if (photos.length > 1) element.append(strip(photos, acts), more);
  else update = single(element, more, search, acts);
  return { element, update };
}

/** The chips stand last: they come with an answer, and what stood below them would move. */
function single(element, more, search, acts) {
  const [photo] = search.photos;
  const shown = make("img", { src: photo.url, width: photo.width, height: photo.height, alt: words.yours });
  const frame = make("div", { class: "frame" }, shown);
  element.style.setProperty("--wide", photo.width / photo.height);
  const chips = make("div", { class: "chips", role: "group", aria: { label: words.parts } });
  const look = (box) => {
    acts.box(same(box, WHOLE) ? null : box);
    update();
  };
  const crop = cropper(frame, search.box ?? WHOLE, words, look);
  const chip = ([word, box]) => {
    const press = () => {
      crop.set(box);
      look(box);
    };
    const aria = { pressed: same(box, search.box ?? WHOLE) };
    return button(word, press, { class: "chip", key: word, aria });
  };
  function update() {
    const parts = search.parts.slice(0, PARTS).map((box, place) => [words.part(place + 1), box]);
    redraw(chips, ...(parts.length || search.box ? [[words.whole, WHOLE], ...parts].map(chip) : []));
  }
  element.append(frame, more, chips);
  update();
  return update;
}

function strip(photos, acts) {
  return make(
    "ul",
    { class: "several" },
    ...photos.map((photo, place) =>
      make(
        "li",
        {},
        make("img", { src: photo.url, width: photo.width, height: photo.height, alt: words.photo(place + 1) }),
        button("×", () => acts.remove(place), { class: "remove", aria: { label: words.remove(place + 1) } }),
      ),
    ),
  );
}

function another(acts) {
  return picker(words.add, acts.add, { multiple: true }, "quiet add");
}
