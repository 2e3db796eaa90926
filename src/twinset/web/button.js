/**
 * A button that opens the search over a shop's own page. In the shop's page:
 *
 *   <script type="module" src="https://search.shop.example/web/button.js"></script>
 *   <twinset-search>Find it by photo</twinset-search>
 *
 * The server must be started with `--allow-origin https://shop.example`. `catalogue` and `lang` are attributes.
 */

import { known } from "./languages.js";

const HOME = new URL("../", import.meta.url);
const STYLE = `
  button { font: inherit; color: inherit; cursor: pointer; padding: .6em 1.2em; border: 1px solid currentcolor;
    border-radius: 99px; background: none }
  button:focus-visible { outline: 3px solid; outline-offset: 2px }
  dialog { width: min(1200px, 100vw); height: min(900px, 100dvh); max-width: none; max-height: none; padding: 0;
    border: 0; border-radius: 14px; overflow: hidden; background: Canvas }
  dialog::backdrop { background: rgb(0 0 0 / 55%) }
  iframe { display: block; width: 100%; height: 100%; border: 0 }
  .close { position: absolute; top: 8px; right: 12px; width: 2.4em; height: 2.4em; padding: 0;
    background: Canvas; color: CanvasText }
  @media (max-width: 700px) { dialog { width: 100vw; height: 100dvh; border-radius: 0 } }
`;

class TwinsetSearch extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    const open = document.createElement("button");
    open.part = "button";
    open.append(document.createElement("slot"));
    open.addEventListener("click", () => this.open());
    root.append(open);
  }

  /** Opens the search; it is loaded now, not with the shop's page. */
  async open() {
    const lang = this.#language();
    const { default: words } = await import(`./words/${lang}.js`);
    if (this.shadowRoot.querySelector("dialog")) return;
    const address = new URL(HOME);
    address.searchParams.set("embedded", "");
    address.searchParams.set("lang", lang);
    if (this.getAttribute("catalogue")) address.searchParams.set("catalogue", this.getAttribute("catalogue"));
    const frame = document.createElement("iframe");
    frame.src = address;
    frame.title = words.home;
    frame.allow = "clipboard-write";
    const close = document.createElement("button");
    close.className = "close";
    close.textContent = "×";
    close.setAttribute("aria-label", words.close);
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", words.home);
    close.addEventListener("click", () => dialog.close());
    // A key that is pressed in the frame is heard there alone.
    const left = ({ source, data }) => source === frame.contentWindow && data === "twinset-close" && dialog.close();
    addEventListener("message", left);
    dialog.addEventListener("close", () => {
      removeEventListener("message", left);
      dialog.remove();
    });
    dialog.append(frame, close);
    this.shadowRoot.append(dialog);
    dialog.showModal();
  }

  /** Its own, else the shop's page's, else the browser's, as far as there are words in it. */
  #language() {
    return known([this.lang, document.documentElement.lang, ...navigator.languages]);
  }
}

if (!customElements.get("twinset-search")) customElements.define("twinset-search", TwinsetSearch);
