// Runs every rule of axe on this page, and calls back with one sentence for each element that breaks one.
const done = arguments[arguments.length - 1];
const say = (rule) => rule.nodes.map((node) => {
  const why = [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ");
  return `${rule.id} (${rule.impact}): ${node.target.join(" ")}: ${why}`;
});
axe.run(document, { resultTypes: ["violations"] }).then(
  (result) => done(result.violations.flatMap(say)),
  (error) => done([`axe broke off: ${error}`]),
);
