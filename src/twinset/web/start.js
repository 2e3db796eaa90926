/** What a visitor sees first: one place to give a photo. */

import { button, make } from "./dom.js";
import { picker } from "./photo.js";
import { words } from "./words.js";

const SAMPLES = ["/web/samples/1.jpg", "/web/samples/2.jpg", "/web/samples/3.jpg"];

/** `given(files)` is called with what was picked. */
export function start(given) {
  return make(
    "section",
    { class: "start" },
    make("h1", { text: words.lead }),
    make("p", { class: "hint", text: words.hint }),
    make(
      "div",
      { class: "target" },
      picker(words.pick, given, { multiple: true }),
      matchMedia("(pointer: coarse)").matches ? picker(words.take, given, { capture: "environment" }) : null,
      make("p", { class: "quiet drop", text: words.drop }),
    ),
    make("p", { class: "quiet privacy", text: words.privacy }),
    make(
      "div",
      { class: "samples" },
      make("p", { class: "quiet", text: words.samples }),
      ...SAMPLES.map((address, place) => sample(address, place + 1, given)),
    ),
  );
}

function sample(address, number, given) {
  const chosen = async () => {
    const answer = await fetch(address, { cache: "force-cache" }); // it is shown already: offline, too, it is there
    given([new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" })]);
  };
  const shown = make("img", { src: address, width: 120, height: 160, alt: words.sample(number) });
  const made = button("", chosen, { class: "sample" });
  made.append(shown);
  return made;
}

/** Where a shop asks with a key. */
export function locked(wrong, entered) {
  const input = make("input", { type: "password", autocomplete: "off", required: true, aria: { label: words.key } });
  const form = make(
    "form",
    { class: "start" },
    make("h1", { text: words.key }),
    make("p", { class: "hint", text: wrong ? words.errors.wrong_key : words.keyHint }),
    make("div", { class: "target" }, input, make("button", { type: "submit", class: "button", text: words.enter })),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    entered(input.value);
  });
  return form;
}
