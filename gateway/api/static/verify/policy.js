// Policies: which logs and witnesses somebody trusts, and how many must have signed; https://c2sp.org/tlog-policy.
import { splitWords, toHex } from "./bytes.js";
import { openCheckpoint, readCheckpoint } from "./checkpoint.js";
import { checkCosignature, parseWitnessKey } from "./cosignature.js";
import { ProofError, require } from "./proof_error.js";
import { parseVerifier } from "./signed_note.js";

class PolicyReader {
  constructor() {
    this.logs = new Map();
    this.witnesses = new Map();
    this.groups = new Map();
    this.quorum = null;
    this.hasQuorum = false;
    this.publicKeys = new Set();
  }

  async read([kind, ...words]) {
    if (kind === "log") await this.readLog(words);
    else if (kind === "witness") await this.readWitness(words);
    else if (kind === "group") this.readGroup(words);
    else if (kind === "quorum") this.readQuorum(words);
    else throw new ProofError("policy_kind", { kind });
  }

  async readLog(words) {
    require(words.length === 1 || words.length === 2, "policy_log");
    const key = await parseVerifier(words[0]);
    this.addKey(key.publicKey);
    this.logs.set(key.name, key);
  }

  async readWitness(words) {
    require(words.length === 2 || words.length === 3, "policy_witness");
    this.checkNew(words[0]);
    const key = await parseWitnessKey(words[1]);
    this.addKey(key.publicKey);
    this.witnesses.set(words[0], key);
  }

  readGroup([name, count, ...members]) {
    require(members.length > 0, "policy_group");
    this.checkNew(name);
    for (const member of members) this.checkDefined(member);
    require(new Set(members).size === members.length, "policy_twice", { name });
    const threshold = { any: "1", all: String(members.length) }[count] ?? count;
    const isCount = /^[0-9]{1,9}$/.test(threshold) && Number(threshold) >= 1 && Number(threshold) <= members.length;
    require(isCount, "policy_threshold", { name, count, members: members.length });
    this.groups.set(name, { threshold: Number(threshold), members });
  }

  readQuorum(words) {
    require(!this.hasQuorum && words.length === 1, "policy_quorum_form");
    if (words[0] !== "none") {
      this.checkDefined(words[0]);
      this.quorum = words[0];
    }
    this.hasQuorum = true;
  }

  checkNew(name) {
    require(name !== "none" && !this.witnesses.has(name) && !this.groups.has(name), "policy_taken", { name });
  }

  checkDefined(name) {
    require(this.witnesses.has(name) || this.groups.has(name), "policy_undefined", { name });
  }

  addKey(publicKey) {
    require(!this.publicKeys.has(toHex(publicKey)), "policy_key_twice");
    this.publicKeys.add(toHex(publicKey));
  }
}

// {logs, witnesses, groups, quorum}; quorum null: no witness is required. Throws a ProofError that names the line.
export async function parsePolicy(text) {
  const reader = new PolicyReader();
  for (const [index, line] of text.split("\n").entries()) {
    const words = splitWords(line);
    if (words.length === 0 || words[0].startsWith("#")) continue;
    try {
      await reader.read(words);
    } catch (error) {
      if (error instanceof ProofError && error.code !== "no_crypto") throw new ProofError("policy_line", { line: index + 1, reason: error });
      throw error;
    }
  }
  require(reader.hasQuorum, "policy_no_quorum");
  return reader;
}

// Checkpoint of a note that is signed by a log of the policy. Throws a ProofError for an unknown log or a false signature.
export async function openByPolicy(policy, note) {
  const { origin } = readCheckpoint(note);
  const log = policy.logs.get(origin);
  require(log !== undefined, "policy_unknown_log", { origin });
  return openCheckpoint(note, log);
}

// [{name, time}] of the policy's witnesses that cosigned. Throws a ProofError for a false one, or fewer than the quorum.
export async function checkWitnesses(policy, note) {
  const present = [];
  for (const [name, key] of policy.witnesses) {
    const time = await checkCosignature(note, key);
    if (time !== null) present.push({ name, time });
  }
  const names = new Set(present.map((witness) => witness.name));
  const isMet = policy.quorum === null || meets(policy, policy.quorum, names);
  require(isMet, "quorum_missed", { quorum: describeQuorum(policy), present: [...names].sort().join(", ") || "–" });
  return present;
}

export function describeQuorum(policy) {
  if (policy.quorum === null) return "–";
  const group = policy.groups.get(policy.quorum);
  return group === undefined ? policy.quorum : `${group.threshold}/${group.members.length}: ${group.members.join(", ")}`;
}

function meets(policy, name, names) {
  const group = policy.groups.get(name);
  if (group === undefined) return names.has(name);
  return group.members.filter((member) => meets(policy, member, names)).length >= group.threshold;
}
