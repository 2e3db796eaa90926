/** The page: which view is shown, and how the address and the browser's back button lead between them. */

import * as api from "./api.js";
import { addressOf, button, make, redraw, tell } from "./dom.js";
import { noting } from "./events.js";
import { draw, find } from "./found.js";
import { item as itemView } from "./item.js";
import { LANGUAGES } from "./languages.js";
import { pictures, prepare } from "./photo.js";
import { query } from "./query.js";
import { grid, name, skeleton } from "./results.js";
import { Search } from "./search.js";
import { start } from "./start.js";
import { asked, stop } from "./waiting.js";
import { choose, language, words } from "./words.js";

const ALIKE = 12;
const MOST = 5;

const main = document.querySelector("#main");
const searches = new Map();
/** The search that is shown, if one is. */
let shown = null;
/** How often the view has changed: what was begun for an earlier one is not shown in this. */
let views = 0;

/** Searches with photos: anew, or with those of `search` besides. */
async function given(files, search = null) {
  if (!files.length) return;
  const chosen = pictures(files);
  if (!chosen.length) {
    notice(words.errors.unreadable);
    return;
  }
  if (!search) frame(words.results, make("p", { class: "quiet", text: words.searching }), skeleton());
  const view = views;
  const most = await api.limits().then(({ photos }) => photos, () => MOST);
  const room = most - (search?.photos.length ?? 0);
  const tried = await Promise.allSettled(chosen.slice(0, room).map(prepare));
  if (view !== views) return;
  const photos = tried.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  if (photos.length && search) {
    search.restart([...search.photos, ...photos]);
    showSearch(search);
  } else if (photos.length) {
    const made = new Search(photos, most);
    record("pushState", made, addressOf(null));
    showSearch(made);
  } else if (!search) {
    route();
  }
  if (photos.length < tried.length || chosen.length < files.length) notice(words.errors.unreadable);
  else if (chosen.length > room) notice(words.tooMany(most));
}

/** Says something above what is shown. */
function notice(text) {
  main.querySelector(".notice")?.remove();
  main.prepend(make("p", { class: "error notice", role: "alert", text }));
  scrollTo(0, 0);
}

function showSearch(search) {
  searches.set(search.id, search);
  const panel = make("div", { class: "side" });
  const found = make("section", { class: "found", tabindex: -1, aria: { label: words.results } });
  const heading = make("h1", { class: "unseen", text: words.results });
  const { scroll } = search;
  frame(words.results, heading, make("div", { class: "looking" }, panel, found));
  shown = search;
  const acts = {
    item: openItem,
    asked() {
      record("replaceState", search);
      looking.update();
    },
  };
  const looking = query(search, {
    box(box) {
      search.look(box);
      find(search, found, acts);
    },
    add: (files) => given(files, search),
    remove(place) {
      search.restart(search.photos.filter((_, other) => other !== place));
      showSearch(search);
    },
  });
  panel.append(looking.element);
  if (search.answered) {
    draw(search, found, acts);
    scrollTo(0, scroll);
  } else {
    scrollTo(0, 0);
    find(search, found, acts).then(() => scroll && shown === search && scrollTo(0, scroll));
  }
}

function openItem(hit, event) {
  event?.preventDefault();
  history.pushState({ within: true }, "", addressOf(hit.item_id));
  showItem(hit.item_id);
}

async function showItem(id) {
  const place = make("div", { class: "itempage", tabindex: -1 });
  frame(words.item, place);
  scrollTo(0, 0);
  let item = null;
  let answer = null;
  const work = async (signal) => {
    [item, answer] = await Promise.all([api.item(id, signal), api.similar(id, { k: ALIKE, categories: "false" }, signal)]);
  };
  if (!(await asked(place, work, () => showItem(id)))) return;
  document.title = name(item);
  const heading = make("h2", { text: words.alikeTo(name(item)) });
  const alike = make("section", { class: "found", aria: { label: words.alike } }, heading, grid(answer.hits, null, { alike: openItem, ...noting }));
  const back = history.state?.within ? button(words.back, () => history.back(), { class: "quiet back" }) : null;
  redraw(place, back, itemView(item), answer.hits.length ? alike : null);
  tell(name(item));
}

function showStart() {
  frame(words.home, start(given));
  document.querySelector(".again").hidden = true;
}

function frame(title, ...parts) {
  stop();
  if (shown) shown.scroll = scrollY;
  shown = null;
  views += 1;
  tell("");
  document.title = title;
  document.querySelector(".again").hidden = false;
  main.replaceChildren(...parts);
  if (views > 1) main.focus({ preventScroll: true });
}

/** Lets the browser's history know a search; where that takes no photos, the page alone does. */
function record(how, search, address = "") {
  if (how === "replaceState" && history.state?.search?.id !== search.id) return;
  try {
    history[how]({ search: search.kept() }, "", address);
  } catch (error) {
    console.info(`the browser does not keep this search: ${error.message}`);
    history[how]({ search: { id: search.id } }, "", address);
  }
}

function route() {
  const id = new URLSearchParams(location.search).get("item");
  const kept = history.state?.search;
  const search = searches.get(kept?.id) ?? (kept?.photos ? Search.revived(kept) : null);
  if (id) showItem(id);
  else if (search) showSearch(search);
  else showStart();
}

function begin() {
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = words[place.dataset.word];
  const option = ([code, told]) => make("option", { value: code, text: told, selected: code === language });
  const select = document.querySelector(".language select");
  select.append(...Object.entries(LANGUAGES).map(option));
  select.addEventListener("change", () => choose(select.value));
  if (new URLSearchParams(location.search).has("embedded")) embedded();
  const fresh = (event) => {
    event.preventDefault();
    history.pushState({}, "", addressOf(null));
    showStart();
  };
  document.querySelector(".again").addEventListener("click", fresh);
  document.querySelector(".home").addEventListener("click", fresh);
  // Followed as a link it would make an entry of the browser's history that no search is kept in.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    (main.querySelector(".found[tabindex]") ?? main).focus();
  });
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => route());
  addEventListener("pagehide", () => {
    if (!shown) return;
    shown.scroll = scrollY;
    record("replaceState", shown);
  });
  takeFiles();
  api.limits().catch(() => null);
  route();
}

/** In a shop's page: that closes the frame with Escape, but where a window of ours is open, which closes first. */
function embedded() {
  document.body.classList.add("embedded");
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) parent.postMessage("twinset-close", "*");
  });
}

/** Photos may be pasted and dropped anywhere. */
function takeFiles() {
  const over = (on) => document.body.classList.toggle("over", on);
  addEventListener("paste", (event) => given([...(event.clipboardData?.files ?? [])]));
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    over(false);
    given([...event.dataTransfer.files]);
  });
}

begin();
