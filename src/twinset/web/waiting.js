/** What is shown while something is asked for, and where that fails. */

import * as api from "./api.js";
import { addressOf, button, make, redraw, tell } from "./dom.js";
import { skeleton } from "./results.js";
import { locked } from "./start.js";
import { words } from "./words.js";

const SLOW = 3000;
let running = null;

/** Gives up what is asked for, if anything is. */
export function stop() {
  running?.abort();
  running = null;
}

/**
 * Asks, with whatever was asked before given up; returns whether it was answered. In an empty place tiles without
 * anything in them are shown meanwhile; what lies in it already stays, paler. `again()` is for another try.
 */
export async function asked(place, work, again) {
  stop();
  const mine = (running = new AbortController());
  const said = make("p", { class: "quiet waits", text: words.searching });
  if (place.querySelector(".grid:not([aria-hidden])")) place.prepend(said);
  else redraw(place, said, skeleton());
  place.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => {
    said.textContent = words.slow;
    said.classList.add("long");
    tell(words.slow);
  }, SLOW);
  try {
    await work(mine.signal);
    return running === mine;
  } catch (error) {
    if (running === mine && error.name !== "AbortError") failed(place, error, again);
    return false;
  } finally {
    clearTimeout(slow);
    said.remove();
    if (running === mine) place.removeAttribute("aria-busy");
  }
}

/** Says in plain words what went wrong, with a way on. */
export function failed(place, error, again) {
  if (!(error instanceof api.Problem)) console.error(error);
  if (error.code === "wrong_key") {
    redraw(
      place,
      locked(Boolean(api.key.get()), (text) => {
        api.key.set(text);
        again();
      }),
    );
    place.querySelector("input").focus();
    return;
  }
  const gone = error.code === "unknown_item";
  const retry = gone
    ? make("a", { class: "button", href: addressOf(null), text: words.again })
    : button(words.retry, again, { class: "button" });
  redraw(place, make("div", { class: "error", role: "alert" }, make("p", { text: mishap(error) }), retry));
  if (error.code === "offline") addEventListener("online", () => retry.isConnected && again(), { once: true });
}

/** An error in words. */
export const mishap = ({ code }) => (Object.hasOwn(words.errors, code) ? words.errors[code] : words.errors.other);
