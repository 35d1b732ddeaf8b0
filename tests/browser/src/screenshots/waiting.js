// Says which links and forms of this page leave whoever presses them without a sign that something is on its way. They are
// pressed as by a person, but nothing leaves: the page's own listeners come first, and note it.
const found = [];
const root = document.documentElement;
const hold = (event) => event.preventDefault();
for (const kind of ["click", "submit"]) addEventListener(kind, hold);
const name = (node) => `<${node.localName}> ${node.textContent.trim().slice(0, 40)}`;
const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest(".sr-only, .skip");

// The line grows from nothing, so it is looked at a second later.
const later = () => {
  for (const motion of document.getAnimations()) if (motion.effect.pseudoElement === "::before") motion.currentTime = 1000;
};
const isDrawn = ({ content, display, visibility, opacity }) =>
  content !== "none" && display !== "none" && visibility === "visible" && Number(opacity) > 0;
const hasLine = () => {
  later();
  const line = getComputedStyle(root, "::before");
  const grown = line.transform === "none" ? 1 : new DOMMatrix(line.transform).a;
  const isVisible = parseFloat(line.height) >= 1 && parseFloat(line.width) * grown >= 20;
  return isDrawn(line) && isVisible && line.backgroundColor !== "rgba(0, 0, 0, 0)";
};
const turns = (button) => {
  const ring = getComputedStyle(button, "::before");
  return isDrawn(ring) && parseFloat(ring.width) >= 8 && ring.animationName !== "none";
};
// As a page that comes back from the browser's memory.
const settle = () => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));

if (hasLine()) found.push("says that something is on its way, and nothing is");
const isOn = (link) => link.origin === location.origin && !link.target && !link.hash && isShown(link);
for (const link of [...document.querySelectorAll("a[href]")].filter(isOn).slice(0, 3)) {
  link.click();
  if (!hasLine()) found.push(`leads on without a line: ${name(link)}`);
  settle();
}
// A form that is answered with a file stays, and a passkey's asks the browser first.
for (const form of document.querySelectorAll("form:not([data-file], #passkey)")) {
  const button = form.querySelector("button:not([type=button])");
  form.noValidate = true;
  form.requestSubmit(button);
  if (!hasLine()) found.push(`sends on without a line: ${name(form)}`);
  else if (button?.matches(".btn") && isShown(button) && !turns(button)) found.push(`has a button that turns nothing: ${name(button)}`);
  settle();
  form.noValidate = false;
}
if (hasLine()) found.push("goes on saying that something is on its way");
for (const kind of ["click", "submit"]) removeEventListener(kind, hold);
return found;
