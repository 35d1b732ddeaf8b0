// Wakes the islands of a page up, tells whoever waits that something is on its way, and keeps what is marked as live as it
// is on the server. A page without islands downloads neither module nor wasm.
const { module, wasm } = document.getElementById("boot").dataset;
const root = document.documentElement;

const settle = () => {
  delete root.dataset.waiting;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
};
// A form is sent once, however often its button is pressed; again only when the answer is long overdue or was given up. One
// that is answered with a file stays where it is.
addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || "file" in form.dataset) return;
  if ("sent" in form.dataset) return event.preventDefault();
  form.dataset.sent = "";
  submitter?.setAttribute("aria-busy", "true");
  root.dataset.waiting = "";
  setTimeout(settle, 15_000);
});
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isElsewhere = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || isElsewhere || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  const staysHere = link.hash && link.pathname === location.pathname && link.search === location.search;
  if (!staysHere) root.dataset.waiting = "";
});
// A page that comes back from the browser's memory waits for nothing.
addEventListener("pageshow", (event) => event.persisted && settle());

// A page that waits for something looks again, but not while somebody is at it.
const again = document.querySelector("[data-again]");
const look = () => {
  const isUsed = document.hidden || "waiting" in root.dataset || document.querySelector("details.menu[open]")
    || document.activeElement?.matches("input, select, textarea");
  if (isUsed) setTimeout(look, 1000);
  else location.reload();
};
if (again) setTimeout(look, again.dataset.again * 1000);

// An island inside of another one's children is hydrated after it, which tells those children when.
const hydrateBelow = async (node, islands, notify) => {
  for (const child of node.children) {
    if (child.localName === "leptos-island") {
      notify?.();
      await islands[child.dataset.component]?.(child);
    }
    await hydrateBelow(child, islands, child.localName === "leptos-children" ? child.$$on_hydrate : notify);
  }
};

if (document.querySelector("leptos-island")) {
  const islands = await import(module);
  await islands.default({ module_or_path: wasm });
  islands.hydrate();
  await hydrateBelow(document.body, islands);
  root.dataset.ready = "";
}

// The server says that something moved, never what: the page is asked for again, and its live parts are exchanged. A part
// that somebody is at, or that nobody sees, is exchanged later.
const isLeftAlone = () =>
  document.hidden || document.activeElement?.closest("[data-live]") || getSelection()?.type === "Range";
let isBehind = false;
let isLooking = false;
let patience = 2000;
const exchange = async () => {
  isBehind = true;
  if (isLooking || isLeftAlone()) return;
  isLooking = true;
  isBehind = false;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    // A page elsewhere is the log-in: whoever goes on will meet it.
    if (answer.redirected) return;
    // Who may not look any more need not ask again.
    if (answer.status < 500 && answer.status !== 429 && !answer.ok) return;
    if (!answer.ok) throw answer.status;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (isLeftAlone()) isBehind = true;
      else if (now) old.replaceWith(now);
    }
    patience = 2000;
  } catch {
    isBehind = true;
    patience = Math.min(patience * 2, 60_000);
  } finally {
    isLooking = false;
    // It failed, or something moved meanwhile.
    if (isBehind) setTimeout(() => isBehind && exchange(), patience);
  }
};
if (document.querySelector("[data-live]")) {
  let events;
  // A list of one shop follows that one, whatever the mode.
  const shop = new URLSearchParams(location.search).get("shop");
  // A page that nobody sees gives its connection back: a browser has few of them to one host.
  const follow = () => {
    if (events || document.hidden) return;
    events = new EventSource(shop ? `/live?shop=${encodeURIComponent(shop)}` : "/live");
    events.addEventListener("moved", exchange);
    // What moved before the stream stood was told to nobody.
    events.addEventListener("open", exchange);
    // The browser comes back by itself, but not after a refusal.
    events.addEventListener("error", () => {
      if (events?.readyState !== EventSource.CLOSED) return;
      events = undefined;
      setTimeout(follow, 10_000);
    });
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return follow();
    events?.close();
    events = undefined;
  });
  for (const name of ["visibilitychange", "focusout", "selectionchange"]) {
    document.addEventListener(name, () => isBehind && exchange());
  }
  follow();
}
