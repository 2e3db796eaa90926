/** What a search found: filters, the items, more of them; and what is said of one. */

import { inWords, nothingClose } from "./closeness.js";
import { button, make, redraw, tell } from "./dom.js";
import { noting } from "./events.js";
import { filters } from "./filters.js";
import { grid, waiting } from "./results.js";
import { asked, failed, mishap } from "./waiting.js";
import { why } from "./why.js";
import { words } from "./words.js";

/** Tiles that make room at once for those to come: later, what lies below would move by itself. */
const NEXT = 4;

/** Asks and draws; `acts` are `item(hit, event)` and `asked()`, called once there is an answer. */
export async function find(search, place, acts) {
  const again = () => find(search, place, acts);
  if (!(await asked(place, (signal) => search.ask(signal), again))) return;
  draw(search, place, acts);
  acts.asked();
  const said = nothingClose(search) ? words.nothing : words.count(search.hits.length);
  tell(search.judged ? words.refined : said);
}

/** Draws what was found before. */
export function draw(search, place, acts) {
  const { answer, hits, chosen } = search;
  const again = () => find(search, place, acts);
  const unjudge = () => {
    search.unjudge();
    again();
  };
  const judge = (right) => (hit) => {
    search.judge(hit.item_id, right);
    again();
  };
  const priced = Boolean(chosen.least || chosen.most || hits.some((hit) => hit.attributes.price));
  const single = search.photos.length === 1;
  const far = nothingClose(search);
  redraw(
    place,
    filters(answer.categories, chosen, priced, again),
    search.judged ? button(words.unjudge, unjudge, { class: "quiet unjudge", key: "unjudge" }) : null,
    far ? nothing(words.nothing, !search.box && search.parts.length ? words.nothingPart : words.nothingHint) : null,
    hits.length
      ? grid(hits, search, {
          near: far ? () => null : inWords,
          alike: acts.item,
          right: judge(true),
          wrong: judge(false),
          why: single ? (hit) => why(search.photos[0], hit, search.part()) : null,
          ...noting,
        })
      : empty(search, again),
    answer.next ? button(words.more, () => more(search, place, acts), { class: "button more", key: "more" }) : null,
  );
}

function empty(search, again) {
  const clear = () => {
    search.chosen.clear();
    again();
  };
  const said = nothing(words.empty, "");
  if (search.chosen.any) said.append(button(words.clear, clear, { class: "button", key: "clear" }));
  return said;
}

const nothing = (title, hint) =>
  make("div", { class: "nothing" }, make("h2", { text: title }), hint ? make("p", { text: hint }) : null);

async function more(search, place, acts) {
  const pressed = place.querySelector(".more");
  if (pressed.ariaDisabled) return;
  pressed.ariaDisabled = "true"; // a button that is disabled loses the focus
  place.querySelector(".grid").append(...waiting(NEXT));
  try {
    const before = await search.further();
    if (before === null || !place.isConnected) return;
    draw(search, place, acts);
    place.querySelectorAll(".tile .picture")[before]?.focus();
    tell(words.count(search.hits.length));
  } catch (error) {
    if (error.code === "cursor_expired") {
      failed(place, error, () => find(search, place, acts));
      return;
    }
    for (const tile of place.querySelectorAll(".grid .waiting")) tile.remove();
    place.querySelector(".error")?.remove();
    pressed.before(make("p", { class: "error", role: "alert", text: mishap(error) }));
    pressed.ariaDisabled = null;
  }
}
