// Evidence from the API for the question of the page's address, and a copy of the page for use without a network.
import { fill } from "./words.js";

const CACHE_NAME = "piekwacht-verify"; // named in sw.js too
const RETRY_MS = 5_000;
const MAX_RETRIES = 4;
const RECENT_MS = 120_000; // a reading that is so young may not be in the log yet
const MAX_PAGES = 20;

// {bytes, question, note} of the evidence, or {problem}: a sentence.
export async function load(boot) {
  try {
    return await loadAnswer(boot);
  } catch (error) {
    if (error instanceof TypeError) return { problem: boot.words.no_answer }; // no network
    throw error;
  }
}

async function loadAnswer(boot) {
  const { batch, station, property, at, value, start, end } = boot.question;
  if (batch) return fetchEvidence(boot, boot.evidence, { batch }, "");
  if (at) return fetchEvidence(boot, boot.evidence, { station, property, at, value: value || null }, "");
  const highest = await findHighest(station, property, start, end);
  if (highest === null) return { problem: boot.words.no_highest };
  const query = new URLSearchParams({ property, at: highest.observedAt });
  const address = `/api/v1/stations/${encodeURIComponent(station)}/evidence?${query}`;
  const question = { station, property, at: highest.observedAt, value: value || null };
  return fetchEvidence(boot, address, question, fill(boot.words.highest, { at: highest.observedAt }));
}

async function fetchEvidence(boot, address, question, note) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(address);
    if (response.ok) return { bytes: new Uint8Array(await response.arrayBuffer()), question, note };
    const isYoung = question.at && Date.now() - Date.parse(question.at) < RECENT_MS;
    if (response.status !== 404 || !isYoung || attempt >= MAX_RETRIES) return { problem: await explain(boot, response) };
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function explain(boot, response) {
  const detail = await response.json().then((problem) => problem.detail).catch(() => null);
  return fill(boot.words.refused, { detail: typeof detail === "string" ? detail : `HTTP ${response.status}` });
}

// The highest reading of a period that counts, from the API; null without one.
async function findHighest(station, property, start, end) {
  let highest = null;
  let cursor = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = new URLSearchParams({ property, averaging: "raw", start, end, limit: 10_000 });
    if (cursor !== null) query.set("cursor", cursor);
    const response = await fetch(`/api/v1/stations/${encodeURIComponent(station)}/observations?${query}`);
    if (!response.ok) return null;
    const { items, nextCursor } = await response.json();
    for (const item of items) if (item.counts && item.value !== null && !(item.value <= highest?.value)) highest = item;
    if (!nextCursor) break;
    cursor = nextCursor;
  }
  return highest;
}

// Stores this page and its files, so that it opens without a network. Without a secure context there is no store.
export async function storeForOffline(files) {
  if (!("caches" in window)) return;
  try {
    const cache = await caches.open(CACHE_NAME);
    await cache.addAll([location.pathname, ...files]);
    document.documentElement.dataset.verify = "stored";
  } catch {
    // without a network the older copy stays
  }
}
