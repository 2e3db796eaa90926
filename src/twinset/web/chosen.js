/** The filters that a shopper has set, and what there is to choose from. */

import { literal } from "./api.js";

export class Chosen {
  constructor(kept = {}) {
    Object.assign(this, { category: null, least: "", most: "", values: new Map(), counts: new Map() });
    /** What of the filters stands open: all of them, and of which fields the rare values. */
    Object.assign(this, { open: false, wide: new Set() });
    Object.assign(this, kept);
  }

  kept() {
    return { ...this };
  }

  clear() {
    Object.assign(this, { category: null, least: "", most: "", values: new Map() });
  }

  /** How many filters are set, besides the category. */
  get size() {
    const values = [...this.values.values()].reduce((sum, some) => sum + some.size, 0);
    return values + [this.least, this.most].filter(Boolean).length;
  }

  get any() {
    return Boolean(this.category || this.size);
  }

  /** The filters as the server takes them; `but` leaves one field out. */
  where(but = null) {
    const found = [...this.values]
      .filter(([field, some]) => some.size && field !== but)
      .map(([field, some]) => `${field}=${[...some].map(literal).join("|")}`);
    const [least, most] = Number(this.least) > Number(this.most || Infinity) ? [this.most, this.least] : [this.least, this.most];
    if (least) found.push(`price>=${least}`);
    if (most) found.push(`price<=${most}`);
    return this.category ? [`category=${literal(this.category)}`, ...found] : found;
  }

  choose(field, value, on) {
    const some = this.values.get(field) ?? new Set();
    if (on) some.add(value);
    else some.delete(value);
    this.values.set(field, some);
  }

  has(field, value) {
    return this.values.get(field)?.has(value) ?? false;
  }

  /**
   * Takes the counts of an answer. They are of items that pass all filters: what else a field with a chosen value
   * offers is known from an answer before, and how often only as long as the other filters are the same.
   */
  count(facets) {
    for (const [field, counts] of Object.entries(facets)) {
      if (!this.values.get(field)?.size) this.counts.set(field, { counts, others: this.#others(field) });
    }
    for (const [field, known] of this.counts) {
      const free = !this.values.get(field)?.size;
      if (free && !Object.hasOwn(facets, field)) this.counts.delete(field);
      if (!free) known.now = facets[field] ?? {};
    }
  }

  /** The values of a field as `[value, how many items]`, the frequent first; null where that is not known. */
  offered(field) {
    const { counts = {}, others, now = {} } = this.counts.get(field) ?? {};
    const fresh = others === this.#others(field);
    // JavaScript puts names that are numbers first, in whichever order they come.
    const frequent = Object.entries(counts).toSorted(([, one], [, other]) => other - one);
    return frequent.map(([value, number]) => {
      if (!this.values.get(field)?.size || fresh) return [value, number];
      return [value, this.has(field, value) ? (Object.hasOwn(now, value) ? now[value] : 0) : null];
    });
  }

  #others(field) {
    return JSON.stringify(this.where(field));
  }
}
