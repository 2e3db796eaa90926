/** What a shopper saw and clicked, told to the shop where it notes that. */

import { limits, tell } from "./api.js";

const SEEN_MS = 1000;
const told = new Set();

/** `kind` is `view` or `click`; each is told once of a hit. A shopper never waits for it, nor hears that it failed. */
async function happened(hit, kind) {
  const what = `${kind} ${hit.query_id} ${hit.item_id}`;
  if (told.has(what)) return;
  told.add(what);
  try {
    if ((await limits()).events) await tell(hit.query_id, hit.item_id, hit.rank, kind);
  } catch (error) {
    console.info(`not noted: ${error.message}`);
  }
}

/** What a grid does where a hit is seen, and where its picture is followed. */
export const noting = {
  seen: (hit) => happened(hit, "view"),
  clicked: (hit) => happened(hit, "click"),
};

/** Calls `seen(element)` of each that was in sight, half of it at least, for a second. */
export function watch(elements, seen) {
  const waiting = new Map();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        clearTimeout(waiting.get(target));
        if (!isIntersecting) continue;
        const done = () => {
          observer.unobserve(target);
          if (target.isConnected) seen(target);
        };
        waiting.set(target, setTimeout(done, SEEN_MS));
      }
    },
    { threshold: 0.5 },
  );
  for (const element of elements) observer.observe(element);
}
