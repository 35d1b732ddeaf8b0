// Wakes the islands of a page up, and keeps what is marked as live as it is on the server.
// A page without islands downloads neither module nor wasm.
const { module, wasm } = document.getElementById("boot").dataset;

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
  document.documentElement.dataset.ready = "";
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
  const events = new EventSource("/live");
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
