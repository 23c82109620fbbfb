// The steps by which an evidence file is checked. Each step has a state: `ok`, `false` or `unchecked`, never a guess.
//
// A step: {name, state, reason: ProofError or null, facts: [[label, text]]}. The labels and reasons are codes of texts.
import { decodeBase64, encodeText, equal, sha256, toHex } from "./bytes.js";
import { readCheckpoint } from "./checkpoint.js";
import { readEvidence } from "./evidence_file.js";
import { isExcluded, nameFlags } from "./flags.js";
import { describeBatch, parseLeaf } from "./leaf.js";
import { checkInclusion, hashLeaf, rootOfInclusion } from "./merkle.js";
import { formatMoment, parseMoment } from "./moment.js";
import { checkWitnesses, describeQuorum, openByPolicy, parsePolicy } from "./policy.js";
import { parseProof } from "./proof_file.js";
import { ProofError, require } from "./proof_error.js";
import { findReadings, readBatch } from "./reading_batch.js";
import { openNote, parseVerifier, splitNote } from "./signed_note.js";

// Reasons that leave a step unchecked; every other reason makes it false.
const UNCHECKED = new Set(["no_ed25519", "no_crypto", "earlier_step", "no_witness", "not_here", "not_signed", "policy_of_file", "dated", "not_joined"]);
const CORE = ["signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "value"];
const NODE_KEY = "piekwacht/node-key@v1";

// A sensor of somebody else, which signs nothing: the gateway signs its batches as notary.
export const isGuest = (node) => node.startsWith("guest-");

const shorten = (hash) => `${toHex(hash).slice(0, 16)}…`;
const formatValue = (value) => (value === null ? "null" : String(Number(value)));

class Check {
  constructor(evidence, policyText, flags) {
    this.evidence = evidence;
    this.policyText = policyText;
    this.flags = flags;
    this.steps = [];
  }

  // Runs one step. `work` gets the list of facts to fill, and throws a ProofError unless the step is ok. It may return a
  // variant, which chooses the text of the outcome.
  async run(name, work) {
    const facts = [];
    let reason = null;
    let variant = "";
    try {
      variant = (await work(facts)) ?? "";
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      reason = error;
    }
    const state = reason === null ? "ok" : UNCHECKED.has(reason.code) ? "unchecked" : "false";
    this.steps.push({ name, state, reason, facts, variant });
  }

  async checkSignature(facts) {
    this.signed = decodeBase64(this.evidence.batch.signed);
    facts.push(["bytes", String(this.signed.length)], ["content_hash", shorten(await sha256(this.signed))]);
    const leaf = parseKeyLeaf(this.evidence.node_key.leaf);
    const verifier = await parseVerifier(leaf.content);
    facts.push(["key", `${verifier.name}+${toHex(verifier.keyId)}`]);
    const { node } = this.evidence.batch;
    require(verifier.name === leaf.fields[0] && verifier.name === node, "key_of_other_node", { name: verifier.name, node });
    await openNote(this.signed, verifier);
    return isGuest(node) ? "guest" : "";
  }

  async checkBatch(facts) {
    require(this.signed !== undefined, "earlier_step");
    const { node, incarnation, number } = this.evidence.batch;
    this.batch = readBatch(splitNote(this.signed).text);
    facts.push(["batch", `${this.batch.node} ${this.batch.inc} ${this.batch.seq}`]);
    const isSame = this.batch.node === node && this.batch.inc === incarnation && this.batch.seq === number;
    require(isSame, "batch_identity", { batch: `${node} ${incarnation} ${number}` });
    this.leafHash = await hashLeaf(await describeBatch(node, incarnation, number, this.signed));
    facts.push(["leaf_hash", shorten(this.leafHash)]);
  }

  async checkInclusion(facts) {
    require(this.leafHash !== undefined, "earlier_step");
    this.proof = parseProof(this.evidence.batch.proof);
    await this.proveLeaf(this.proof, this.leafHash, facts);
  }

  async proveLeaf(proof, leafHash, facts) {
    const { size, root } = readCheckpoint(proof.checkpoint);
    facts.push(["index", String(proof.index)], ["size", String(size)]);
    if (proof.hasExtra) facts.push(["extra", "extra"]);
    facts.push(["computed_root", shorten(await rootOfInclusion(proof.index, size, leafHash, proof.hashes))]);
    facts.push(["root", shorten(root)]);
    await checkInclusion(proof.index, size, leafHash, proof.hashes, root);
  }

  // The trust list is read first. That of the file itself stays unchecked: whoever made the file chose it.
  async checkPolicy(facts) {
    this.policy = await parsePolicy(this.policyText ?? this.evidence.policy);
    for (const name of this.policy.logs.keys()) facts.push(["origin", name]);
    for (const [name, key] of this.policy.witnesses) facts.push(["witness", `${name}: ${key.name}+${toHex(key.keyId)}`]);
    facts.push(["quorum", describeQuorum(this.policy)]);
    require(this.policyText !== null, "policy_of_file");
  }

  async checkCheckpoint(facts) {
    require(this.policy !== undefined, "earlier_step");
    const { checkpoint } = this.proof ?? parseProof(this.evidence.batch.proof);
    const { origin, size } = readCheckpoint(checkpoint);
    facts.push(["origin", origin], ["size", String(size)]);
    const log = this.policy.logs.get(origin);
    if (log !== undefined) facts.push(["key", `${log.name}+${toHex(log.keyId)}`]);
    await openByPolicy(this.policy, checkpoint);
    this.note = checkpoint;
  }

  async checkWitnesses(facts) {
    require(this.note !== undefined, "earlier_step");
    facts.push(["quorum", describeQuorum(this.policy)]);
    const witnesses = await checkWitnesses(this.policy, this.note);
    for (const { name, time } of witnesses) facts.push(["witness", `${name}, ${formatMoment(time * 1000n)}`]);
    require(this.policy.quorum !== null, "no_witness");
  }

  async checkNodeKey(facts) {
    require(this.policy !== undefined && this.proof !== undefined, "earlier_step");
    const { claim, node_key: nodeKey } = this.evidence;
    const leaf = parseKeyLeaf(nodeKey.leaf);
    const [node, station, from, until] = leaf.fields;
    facts.push(["node", node], ["station", station], ["period", `${from} – ${until === "-" ? "…" : until}`]);
    require(claim === null || claim.station === station, "key_of_other_station", { station, other: claim?.station });
    this.checkPeriod(from, until);
    const proof = parseProof(nodeKey.proof);
    await this.proveLeaf(proof, await hashLeaf(encodeText(nodeKey.leaf)), facts);
    await this.checkKeyHead(proof);
    this.keyNote = proof.checkpoint;
  }

  checkPeriod(from, until) {
    const start = from === "-" ? null : parseMoment(from);
    const end = until === "-" ? null : parseMoment(until);
    for (const at of this.momentsOfBatch()) {
      const isCovered = (start === null || start <= at) && (end === null || at < end);
      require(isCovered, "key_period", { from, until, at: formatMoment(at) });
    }
  }

  // Moment of the claim in milliseconds; without a claim those of all readings.
  momentsOfBatch() {
    if (this.evidence.claim !== null) return [parseMoment(this.evidence.claim.observed_at)];
    require(this.batch !== undefined, "earlier_step");
    return this.batch.dt.map((step) => this.batch.t0 + step);
  }

  // The key must stand in the same log, before the batch, under a head that the policy accepts too.
  async checkKeyHead(proof) {
    const { origin } = readCheckpoint(this.proof.checkpoint);
    const head = readCheckpoint(proof.checkpoint);
    require(head.origin === origin, "key_in_other_log", { origin: head.origin });
    require(proof.index < this.proof.index, "key_after_batch", { index: proof.index, batch: this.proof.index });
    await openByPolicy(this.policy, proof.checkpoint);
    await checkWitnesses(this.policy, proof.checkpoint);
  }

  // Two heads of one log must belong to one history: of one size they are equal, and of two sizes a witness signed both,
  // the larger one later.
  async checkHeads(facts) {
    require(this.note !== undefined && this.keyNote !== undefined, "earlier_step");
    const notes = [this.note, this.keyNote].map((note) => ({ note, head: readCheckpoint(note) }));
    notes.sort((first, second) => Number(first.head.size - second.head.size));
    const [older, newer] = notes;
    for (const { head } of notes) facts.push(["size", String(head.size)], ["root", shorten(head.root)]);
    if (older.head.size === newer.head.size) {
      require(equal(older.head.root, newer.head.root), "forked", { size: older.head.size });
      return;
    }
    const times = new Map((await checkWitnesses(this.policy, older.note)).map(({ name, time }) => [name, time]));
    const common = (await checkWitnesses(this.policy, newer.note)).filter(({ name }) => times.has(name));
    const shrunk = common.find(({ name, time }) => time < times.get(name));
    require(shrunk === undefined, "shrunk", { name: shrunk?.name });
    require(common.length > 0, "not_joined");
  }

  checkValue(facts) {
    require(this.batch !== undefined, "earlier_step");
    const { claim, batch } = this.evidence;
    const stampedAt = claim.stamped_at ?? claim.observed_at;
    facts.push(["claimed", `${formatValue(claim.value)} (${claim.property}, ${stampedAt})`]);
    require(claim.node === batch.node, "claim_of_other_node", { node: claim.node });
    const readings = findReadings(this.batch, claim.property, parseMoment(stampedAt));
    for (const reading of readings) {
      facts.push(["in_batch", `${formatValue(reading.value)} (${nameFlags(this.flags, reading.flags).join(", ") || "–"})`]);
    }
    require(readings.length > 0, "no_reading", { property: claim.property, at: stampedAt });
    const value = claim.value === null ? null : Number(claim.value);
    const equals = readings.filter((reading) => reading.value === value);
    require(equals.length > 0, "other_value", { claimed: formatValue(value), signed: formatValue(readings[0].value) });
    require(equals.some((reading) => reading.flags === claim.flags), "other_flags");
    this.hasValue = true;
  }

  checkPublished(facts) {
    require(this.hasValue, "earlier_step"); // only then the value of the claim is what the node signed
    const { published, flags, value } = this.evidence.claim;
    facts.push(["published", formatValue(published.value)], ["flags", published.flags.join(", ") || "–"]);
    const unknown = published.flags.find((name) => !Object.hasOwn(this.flags.names, name));
    require(unknown === undefined, "published_no_flag", { flag: unknown });
    const isSame = formatValue(published.value) === formatValue(value);
    const isHidden = published.value === null && isExcluded(this.flags, published.flags);
    require(isSame || isHidden, "published_value", { published: formatValue(published.value), signed: formatValue(value) });
    const names = nameFlags(this.flags, flags);
    const missing = names.find((name) => !published.flags.includes(name));
    require(missing === undefined, "published_flag", { flag: missing });
    require(published.flags.every((name) => names.includes(name)), "not_signed");
  }

  // The gateway dated the reading again, because the clock of the node was wrong. The file does not prove that time.
  checkDated(facts) {
    const { stamped_at: stampedAt, observed_at: observedAt } = this.evidence.claim;
    facts.push(["stamped", stampedAt], ["dated", observedAt]);
    throw new ProofError("dated");
  }

  async checkAll() {
    await this.run("policy", (facts) => this.checkPolicy(facts));
    await this.run("signature", (facts) => this.checkSignature(facts));
    await this.run("batch", (facts) => this.checkBatch(facts));
    await this.run("inclusion", (facts) => this.checkInclusion(facts));
    await this.run("checkpoint", (facts) => this.checkCheckpoint(facts));
    await this.run("witnesses", (facts) => this.checkWitnesses(facts));
    await this.run("node_key", (facts) => this.checkNodeKey(facts));
    const { claim, batch, node_key: nodeKey } = this.evidence;
    if (headOf(batch.proof) !== headOf(nodeKey.proof)) await this.run("heads", (facts) => this.checkHeads(facts));
    if (claim !== null) {
      await this.run("value", (facts) => this.checkValue(facts));
      if ((claim.stamped_at ?? claim.observed_at) !== claim.observed_at) await this.run("dated", (facts) => this.checkDated(facts));
      await this.run("published", (facts) => this.checkPublished(facts));
    }
    for (const [name, count] of countRest(this.evidence)) await this.run(name, (facts) => leaveOut(facts, count));
  }
}

// Text of the checkpoint of a proof.
const headOf = (proof) => proof.slice(proof.indexOf("\n\n"));

function parseKeyLeaf(text) {
  const leaf = parseLeaf(text);
  require(leaf.kind === NODE_KEY, "no_key_leaf", { kind: leaf.kind });
  return leaf;
}

// What a file may hold that this page does not check: [[name of the step, how many]].
function countRest(evidence) {
  const published = evidence.claim?.published;
  const hasCorrection = published !== undefined && (published.corrected !== null || published.rule !== null);
  const counts = [
    ["corrected", Number(hasCorrection)],
    ["minute_batch", evidence.minute_batches.length],
    ["events", evidence.events.length],
    ["deliveries", evidence.deliveries.length],
    ["rules", evidence.rules.length],
    ["time_stamp", Number(evidence.time_stamp !== null)],
  ];
  return counts.filter(([, count]) => count > 0);
}

function leaveOut(facts, count) {
  facts.push(["count", String(count)]);
  throw new ProofError("not_here");
}

// Whether the file is about what the reader asked for: {station, property, at, value} or {batch: "node/inc/seq"}.
function checkQuestion(evidence, question, facts) {
  const { node, incarnation, number } = evidence.batch;
  if (question.batch !== undefined) {
    facts.push(["asked", question.batch], ["batch", `${node} ${incarnation} ${number}`]);
    require(question.batch === `${node}/${incarnation}/${number}`, "other_answer");
    return;
  }
  const { claim } = evidence;
  require(claim !== null, "other_answer");
  facts.push(["asked", `${question.station}, ${question.property}, ${question.at}`]);
  const isSame = claim.station === question.station && claim.property === question.property;
  require(isSame && parseMoment(claim.observed_at) === parseMoment(question.at), "other_answer");
  if (question.value === null) return;
  facts.push(["shown", question.value], ["claimed", formatValue(claim.value)]);
  require(claim.value !== null && Number(question.value) === Number(claim.value), "shown_value", { shown: question.value, signed: formatValue(claim.value) });
}

// `false` if a step is; `incomplete` if a step that the number rests on is unchecked; `partly` if another step is;
// otherwise `ok`.
export function judge(steps) {
  if (steps.some((step) => step.state === "false")) return "false";
  const unchecked = steps.filter((step) => step.state === "unchecked");
  if (unchecked.some((step) => CORE.includes(step.name))) return "incomplete";
  return unchecked.length > 0 ? "partly" : "ok";
}

// {evidence, steps, verdict} of the bytes of an evidence file. `policyText` null: the trust list in the file itself judges.
// `flags`: see flags.js.
export async function checkEvidence(bytes, { flags, policyText = null, question = null }) {
  let evidence;
  try {
    evidence = readEvidence(bytes);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return { evidence: null, steps: [{ name: "file", state: "false", reason: error, facts: [] }], verdict: "false" };
  }
  const check = new Check(evidence, policyText, flags);
  if (question !== null) await check.run("question", (facts) => checkQuestion(evidence, question, facts));
  await check.checkAll();
  return { evidence, steps: check.steps, verdict: judge(check.steps) };
}
