// Wakes the islands of a page up, tells whoever waits that something is on its way, and keeps what is marked as live as it
// is on the server. A page without islands downloads neither module nor wasm.
const { module, wasm } = document.getElementById("boot").dataset;
const root = document.documentElement;

// A form is sent once, however often its button is pressed. One that is answered with a file stays where it is.
addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || "file" in form.dataset) return;
  if ("sent" in form.dataset) return event.preventDefault();
  form.dataset.sent = "";
  submitter?.setAttribute("aria-busy", "true");
  root.dataset.waiting = "";
});
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isElsewhere = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || isElsewhere || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  const staysHere = link.hash && link.pathname === location.pathname && link.search === location.search;
  if (!staysHere) root.dataset.waiting = "";
});
// A page that comes back from the browser's memory waits for nothing.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  delete root.dataset.waiting;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});

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
const exchange = async () => {
  isBehind = true;
  if (isLooking || isLeftAlone()) return;
  isLooking = true;
  isBehind = false;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    // A page elsewhere is the log-in: whoever goes on will meet it.
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now && !isLeftAlone()) old.replaceWith(now);
    }
  } catch {
    isBehind = true;
  } finally {
    isLooking = false;
  }
};
if (document.querySelector("[data-live]")) {
  // A list of one shop follows that one, whatever the mode.
  const shop = new URLSearchParams(location.search).get("shop");
  const events = new EventSource(shop ? `/live?shop=${encodeURIComponent(shop)}` : "/live");
  events.addEventListener("moved", exchange);
  // What moved before the stream stood was told to nobody.
  let stood = false;
  events.addEventListener("open", () => {
    if (stood) exchange();
    stood = true;
  });
  for (const name of ["visibilitychange", "focusout", "selectionchange"]) {
    document.addEventListener(name, () => isBehind && exchange());
  }
}
