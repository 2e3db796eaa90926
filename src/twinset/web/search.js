/** One search by photos: what was given, chosen and said, how it is asked, and what of it outlives a reload. */

import * as api from "./api.js";
import { Chosen } from "./chosen.js";
import { same, WHOLE } from "./crop.js";
import { revived } from "./photo.js";

const HITS = 20;

export class Search {
  /** Whether the answer is to what is asked now: it is not while another is asked for, nor where that was given up. */
  answered = false;

  /** `photos` are of one garment, as `prepare` makes them; the server takes `most`. */
  constructor(photos, most) {
    this.most = most;
    this.id = `${Date.now()}-${Math.random()}`;
    this.chosen = new Chosen();
    this.right = new Set();
    this.wrong = new Set();
    this.restart(photos);
  }

  /** Looks with other photos; what was said of the ones before does not count for these. */
  restart(photos) {
    Object.assign(this, { photos, box: null, boxes: null, query: null, answer: null, hits: [], scroll: 0, answered: false });
    this.unjudge();
  }

  /** Looks with a part of the photo, or with all of it; what was said still counts. */
  look(box) {
    this.box = box;
    this.query = null;
  }

  /** The boxes that the model suggests, but for all of the photo. */
  get parts() {
    return (this.boxes ?? []).filter((box) => !same(box, WHOLE));
  }

  get judged() {
    return this.right.size + this.wrong.size > 0;
  }

  /** Says of an item that it is it, or is not; said twice, it is taken back. */
  judge(id, right) {
    const [said, other] = right ? [this.right, this.wrong] : [this.wrong, this.right];
    other.delete(id);
    if (!said.delete(id)) said.add(id);
  }

  /** Asks for the first hits. A query that the server has forgotten is asked with the photos again. */
  async ask(signal) {
    this.answered = false;
    let answer = this.judged && this.query ? await this.#refined(null, signal).catch(forgotten) : null;
    if (!answer) {
      const first = await this.#searched(null, signal);
      this.query = first.query_id;
      this.boxes ??= first.boxes;
      answer = this.judged ? await this.#refined(null, signal) : first;
    }
    this.chosen.count(answer.facets ?? {});
    Object.assign(this, { answer, hits: answer.hits, answered: true });
  }

  /** Takes back all that was said of items. */
  unjudge() {
    this.right.clear();
    this.wrong.clear();
  }

  /** Asks for the next hits, and returns how many there were before; null where something else is asked by then. */
  async further() {
    const first = this.answer;
    const answer = await (this.judged ? this.#refined(first.next) : this.#searched(first.next));
    if (this.answer !== first || !this.answered) return null;
    const before = this.hits.length;
    this.answer = { ...this.answer, next: answer.next };
    this.hits = [...this.hits, ...answer.hits];
    return before;
  }

  /** What is needed to ask again after a reload, as the browser's history keeps it. */
  kept() {
    const { id, most, box, boxes, query, right, wrong, scroll } = this;
    const photos = this.photos.map(({ bytes, width, height }) => ({ bytes, width, height }));
    return { id, most, photos, box, boxes, query, right, wrong, scroll, chosen: this.chosen.kept() };
  }

  static revived({ photos, chosen, ...kept }) {
    const search = new Search(photos.map(revived), kept.most);
    return Object.assign(search, kept, { chosen: new Chosen(chosen) });
  }

  async #options(cursor) {
    const { hits } = await api.limits();
    return {
      k: Math.min(HITS, hits),
      where: this.chosen.where(),
      facets: !cursor,
      cursor,
    };
  }

  async #searched(cursor, signal) {
    const single = this.photos.length === 1;
    const options = {
      ...(await this.#options(cursor)),
      box: single ? this.part() : null,
      boxes: single && !this.box && !this.boxes,
    };
    return api.search(this.photos.map((photo) => photo.blob), options, signal);
  }

  async #refined(cursor, signal) {
    return api.refine(this.query, [...this.right], [...this.wrong], await this.#options(cursor), signal);
  }

  /** The box as the server takes it; null for the whole photo. */
  part() {
    return this.box && this.box.map((side) => side.toFixed(4)).join(",");
  }
}

function forgotten(error) {
  if (error.code !== "query_expired") throw error;
  return null;
}
