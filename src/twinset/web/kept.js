/** What the browser keeps for the page; in a frame of another site it may keep nothing. */

function within(storage) {
  const own = new Map();
  return {
    get(name) {
      try {
        return window[storage].getItem(name) ?? own.get(name) ?? "";
      } catch {
        return own.get(name) ?? "";
      }
    },
    set(name, text) {
      own.set(name, text);
      try {
        window[storage].setItem(name, text);
      } catch {
        // then until the page is left
      }
    },
  };
}

export const forTab = within("sessionStorage");
export const forBrowser = within("localStorage");
