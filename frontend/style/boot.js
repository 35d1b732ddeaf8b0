// Wakes the islands of a page up. A page without islands downloads neither module nor wasm.
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
