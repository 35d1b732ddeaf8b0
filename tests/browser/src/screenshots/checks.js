// Says what does not fit on this page, one sentence each.
const found = [];
const name = (node) => `<${node.localName} class="${node.getAttribute("class") ?? ""}"> ${node.textContent.trim().slice(0, 40)}`;
const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest(".sr-only, .skip");
const width = document.documentElement.clientWidth;

if (document.documentElement.scrollWidth > width) {
  found.push(`scrolls sideways: ${document.documentElement.scrollWidth} px on ${width} px`);
}
for (const violation of window.violations ?? []) found.push(`violates the policy: ${violation}`);

// Text is clipped where the words reach beyond a box that hides what overflows it.
for (const node of document.querySelectorAll("body *")) {
  const texts = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
  if (!texts.length || !isShown(node) || node.closest("svg, .truncate")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const words = range.getBoundingClientRect();
  if (words.width === 0) continue;
  if (words.right > width + 1 && !node.closest(".tabs")) found.push(`reaches beyond the page: ${name(node)}`);
  for (let box = node; box && box !== document.body; box = box.parentElement) {
    const style = getComputedStyle(box);
    const edges = box.getBoundingClientRect();
    const hidesX = ["hidden", "clip"].includes(style.overflowX);
    const hidesY = ["hidden", "clip"].includes(style.overflowY);
    if ((hidesX && words.right > edges.right + 1) || (hidesY && words.bottom > edges.bottom + 2)) {
      found.push(`is clipped: ${name(node)}`);
      break;
    }
  }
  if (["BUTTON", "A", "SPAN"].includes(node.tagName) && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== "inline") {
    found.push(`does not fit its box: ${name(node)}`);
  }
}

// What a page must have besides its usual state: a sentence where nothing is there, and a place beside each field that says
// what is wrong with it. What is seen while somebody waits is looked for in waiting.js.
for (const table of document.querySelectorAll("table")) {
  if (!table.querySelector("tbody tr")) found.push(`is empty without saying so: ${name(table)}`);
}
for (const field of document.querySelectorAll("form[method=post] input.input")) {
  if (!document.getElementById(field.getAttribute("aria-describedby"))) found.push(`has no place for an error: ${field.name}`);
}

// A link inside of a sentence may be as high as the sentence.
for (const node of document.querySelectorAll("a, button, summary, select, input:not([type=hidden]), [role=button]")) {
  if (!isShown(node) || (node.localName === "a" && getComputedStyle(node).display === "inline" && node.closest("p"))) continue;
  const edges = (node.closest("label") ?? node).getBoundingClientRect();
  if (edges.width < 24 || edges.height < 24) {
    found.push(`is too small to tap (${Math.round(edges.width)} × ${Math.round(edges.height)}): ${name(node)}`);
  }
}
return found;
