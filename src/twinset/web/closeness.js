/** How near an item is, in words; from probabilities, so none where nothing is calibrated. */

import { words } from "./words.js";

/** What reports of uncertainty call very likely: nine times of ten, or oftener. */
const SAME = 0.9;
const SIMILAR = 0.3;
const LIKELY = 0.5;

export const isSame = (hit) => hit.probability !== null && hit.probability >= SAME;

export function inWords(hit) {
  if (isSame(hit)) return words.same;
  return hit.probability !== null && hit.probability >= SIMILAR ? words.similar : null;
}

/** Whether the catalogue's bar is not passed, and no item is likelier the same than not; filters leave that open. */
export const nothingClose = ({ answer, hits, chosen }) =>
  hits.length > 0 && !chosen.any && answer.nothing_close === true && hits.every(({ probability }) => probability < LIKELY);
