// The page `/verify`: loads evidence from the API or from a file, and shows each step of its check.
import { MAX_EVIDENCE_BYTES } from "./evidence_file.js";
import { load, storeForOffline } from "./loading.js";
import { showProblem, showProgress, showResult } from "./result.js";
import { checkEvidence } from "./steps.js";
import { fill } from "./words.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const policyField = document.getElementById("policy");
let evidence = null; // {bytes, question} that was checked last
let run = 0; // a later check makes the result of an earlier one void

const ownPolicy = () => (policyField.value.trim() === "" ? null : policyField.value);

async function check() {
  run += 1;
  const current = run;
  showProgress(boot, "checking");
  const policyText = ownPolicy();
  try {
    const result = await checkEvidence(evidence.bytes, { flags: boot.flags, policyText, question: evidence.question });
    if (current === run) showResult(boot, result, policyText !== null, evidence.note);
  } catch (error) {
    showProblem(fill(boot.words.failed, { detail: error.message }));
  }
}

async function checkFile(file) {
  const content = file.slice(0, MAX_EVIDENCE_BYTES + 1); // a larger file is refused anyway
  evidence = { bytes: new Uint8Array(await content.arrayBuffer()), question: null, note: "" };
  await check();
}

async function checkQuestion() {
  const current = run;
  showProgress(boot, "loading");
  const answer = await load(boot);
  if (current !== run) return; // the reader chose a file meanwhile
  if (answer.problem) {
    showProblem(answer.problem);
    return;
  }
  evidence = answer;
  await check();
}

document.getElementById("file").addEventListener("change", ({ target }) => target.files.length && checkFile(target.files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) checkFile(event.dataTransfer.files[0]);
});
document.getElementById("policy-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (evidence !== null) check();
});
document.getElementById("choice").hidden = false;
document.documentElement.dataset.verify = "ready";
if (boot.question) checkQuestion();
storeForOffline(boot.offline);
