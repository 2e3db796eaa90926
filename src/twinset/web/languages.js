/** The languages that there are words in. */

export const LANGUAGES = { en: "English", de: "Deutsch", ja: "日本語" };

/** The first of some language tags that there are words in; English where none is. */
export function known(tags) {
  const codes = tags.filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  return codes.find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}
