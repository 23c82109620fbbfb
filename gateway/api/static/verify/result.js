// Shows the outcome of a check: the verdict in one sentence, and each step with what was compared.
import { asSentence, explainReason, fill } from "./words.js";
import { isGuest } from "./steps.js";

const MARKS = { ok: "✓", false: "✗", unchecked: "–" };
const BY_POLICY = ["checkpoint", "witnesses", "node_key"]; // the steps that a trust list decides

// A key of a stranger's file may be the name of a method of every object.
const lookUp = (texts, key) => (Object.hasOwn(texts, key) ? texts[key] : undefined);

const byId = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function setVerdict(text, state) {
  byId("verdict").className = `verdict ${state}`;
  byId("verdict").textContent = text;
}

function clear() {
  for (const id of ["claim", "basis"]) byId(id).textContent = "";
  byId("checks").replaceChildren();
  byId("steps-title").hidden = true;
}

export function showProgress(boot, code) {
  clear();
  setVerdict(boot.words[code], "busy");
}

export function showProblem(text) {
  clear();
  setVerdict(text, "unchecked");
}

export function showResult(boot, { evidence, steps, verdict }, hasOwnPolicy, note) {
  clear();
  setVerdict(describeVerdict(boot, evidence, steps, verdict), verdict);
  if (evidence !== null) {
    byId("claim").textContent = describeClaim(boot, evidence);
    byId("basis").textContent = [note, boot.words[hasOwnPolicy ? "by_reader" : "by_file"]].filter(Boolean).join(" ");
  }
  byId("steps-title").hidden = false;
  byId("checks").replaceChildren(...steps.map((step) => describeStep(boot, step, hasOwnPolicy)));
}

function describeVerdict({ words }, evidence, steps, verdict) {
  const wrong = steps.find((step) => step.state === "false");
  if (wrong) return asSentence(fill(words.verdict_false, { step: words[`step_${wrong.name}`], reason: explainReason(words, wrong.reason) }));
  const missing = steps.filter((step) => step.state === "unchecked").map((step) => words[`step_${step.name}`].toLowerCase().replace(/[?]$/, ""));
  const values = { node: evidence.batch.node, missing: missing.join("; ") };
  const key = verdict === "ok" && evidence.claim === null ? "verdict_batch" : `verdict_${verdict}`;
  return fill((isGuest(evidence.batch.node) && words[`${key}_guest`]) || words[key], values);
}

function describeClaim({ words, language, names, units, stations }, { claim, batch }) {
  if (claim === null) return fill(words.claim_batch, { batch: `${batch.node} ${batch.incarnation} ${batch.number}` });
  const value = claim.value === null ? "–" : Number(claim.value).toLocaleString(language, { maximumFractionDigits: 12 });
  const unit = lookUp(units, claim.property) ?? "";
  const property = lookUp(names, claim.property) ?? claim.property;
  return fill(words.claim, { station: lookUp(stations, claim.station) ?? claim.station, property, at: formatLocal(claim.observed_at, language), value: `${value} ${unit}`.trim() });
}

function formatLocal(text, language) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const locale = language === "en" ? "en-GB" : "nl-NL";
  return at.toLocaleString(locale, { timeZone: "Europe/Amsterdam", dateStyle: "long", timeStyle: "medium" });
}

// The evidence has the id of a station, and this site knows its name.
const describeFact = (stations, label, text) => {
  const name = label === "station" ? lookUp(stations, text) : undefined;
  return name === undefined ? text : `${text} (${name})`;
};

function describeStep({ words, stations }, step, hasOwnPolicy) {
  const state = element("span", "mark", `${MARKS[step.state]} ${words[`state_${step.state}`]}`);
  const heading = element("h4", "", words[`step_${step.name}`], " ", state);
  const facts = element("dl", "facts");
  for (const [label, text] of step.facts) {
    facts.append(element("dt", "", words[`fact_${label}`]), element("dd", "", element("code", "", describeFact(stations, label, text))));
  }
  const comparison = element("details", "", element("summary", "", words.compared), facts);
  comparison.open = step.state === "false";
  const item = element("li", `check ${step.state}`, heading, element("p", "", describeOutcome(words, step, hasOwnPolicy)));
  if (step.facts.length > 0) item.append(comparison);
  item.dataset.step = step.name;
  return item;
}

function describeOutcome(words, step, hasOwnPolicy) {
  if (step.state !== "ok") return asSentence(explainReason(words, step.reason));
  const text = words[`ok_${step.name}${step.variant ? `_${step.variant}` : ""}`];
  if (!BY_POLICY.includes(step.name)) return text;
  return asSentence(`${text.replace(/\.$/, "")}, ${words[hasOwnPolicy ? "by_reader_short" : "by_file_short"]}`);
}
