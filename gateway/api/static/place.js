// The first screen for a reader's own place: found by name, by postcode or by the browser's position, which is sent
// nowhere. The sentences come from the server; this script only chooses the nearest stations and their worst sentence.
import { element } from "./figures.js";
import { readOwnStations, toggleOwnStation } from "./own_stations.js";

const facts = JSON.parse(document.getElementById("first-screen").textContent);
const words = facts.words;
const $ = (id) => document.getElementById(id);
const PLACE_KEY = "piekwacht.place";
const NEAREST = 3;
const FAR_METRES = 5000;
const REFRESH = 30_000; // ms
const CACHED = 4_000; // ms that an answer may be old: 2 s in the browser, 2 s at the server
const isLive = new URLSearchParams(location.search).get("at") === null;

let situations = facts.situations;
let place = null;

// --- places ---------------------------------------------------------------------------------------------------------

// As the server does: lower case, without accents, words with single spaces.
const normalise = (text) =>
  (text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").match(/[\p{L}\p{N}]+/gu) ?? []).join(" ");

// A place, or null; the same rules as in gateway/api/data/gazetteer.py.
function searchPlace(text) {
  const make = ([name, latitude, longitude]) => ({ name, latitude, longitude });
  const postcode = /^\s*([1-9][0-9]{3})\s*([a-z]{2})?\s*$/i.exec(text);
  if (postcode) {
    const match = facts.places.find((row) => row[3].includes(postcode[1]));
    return match ? make(match) : null;
  }
  const wanted = normalise(text);
  if (!wanted) return null;
  const rank = (name) => (name === wanted ? 0 : name.startsWith(wanted) ? 1 : name.includes(` ${wanted}`) ? 2 : 3);
  const [best] = facts.places
    .map((row) => [rank(normalise(row[0])), normalise(row[0]), row])
    .filter((entry) => entry[0] < 3)
    .sort((a, b) => a[0] - b[0] || a[1].length - b[1].length || (a[1] < b[1] ? -1 : 1));
  return best ? make(best[2]) : null;
}

function readPlace() {
  try {
    const stored = JSON.parse(localStorage.getItem(PLACE_KEY) ?? "null");
    return stored && Number.isFinite(stored.latitude) && Number.isFinite(stored.longitude) ? stored : null;
  } catch {
    return null;
  }
}

function storePlace() {
  try {
    if (place) localStorage.setItem(PLACE_KEY, JSON.stringify(place));
    else localStorage.removeItem(PLACE_KEY);
  } catch {
    // storage is off: the place lasts as long as the page
  }
}

function choosePlace(next, note = "") {
  place = next;
  storePlace();
  $("place-problem").textContent = note;
  $("place").value = next && !next.isPosition ? next.name : "";
  const address = new URL(location.href);
  if (next && !next.isPosition) address.searchParams.set("place", next.name);
  else address.searchParams.delete("place");
  history.replaceState(null, "", address);
  draw();
  document.dispatchEvent(new CustomEvent("piekwacht:place", { detail: next }));
}

// Great circle in metres.
function distanceTo(station, { latitude, longitude }) {
  const [lat, lon] = facts.stations[station];
  const radians = Math.PI / 180;
  const a =
    Math.sin(((lat - latitude) * radians) / 2) ** 2 +
    Math.cos(latitude * radians) * Math.cos(lat * radians) * Math.sin(((lon - longitude) * radians) / 2) ** 2;
  return 2 * 6371008.8 * Math.asin(Math.sqrt(a));
}

function distanceText(metres) {
  if (metres < 950) return `${Math.max(100, Math.round(metres / 100) * 100)} m`;
  const kilometres = String(Math.round(metres / 100) / 10);
  return `${facts.language === "nl" ? kilometres.replace(".", ",") : kilometres} km`;
}

// --- the screen -----------------------------------------------------------------------------------------------------

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_match, name) => values[name] ?? "");

function selectStations() {
  const own = readOwnStations().filter((id) => facts.stations[id]);
  const byId = new Map(situations.items.map((item) => [item.station, item]));
  const nearest = place
    ? situations.items
        .map((item) => ({ item, distance: distanceTo(item.station, place) }))
        .sort((a, b) => a.distance - b.distance)
        .slice(0, NEAREST)
    : own.length
      ? []
      : situations.items.slice(0, NEAREST).map((item) => ({ item, distance: null }));
  const listed = new Set(nearest.map((entry) => entry.item.station));
  const starred = own.filter((id) => byId.has(id) && !listed.has(id));
  return [
    ...starred.map((id) => ({ item: byId.get(id), distance: place ? distanceTo(id, place) : null })),
    ...nearest,
  ];
}

function answerFor(selected) {
  if (!place && !readOwnStations().length) return situations;
  const worst = selected.map((entry) => entry.item).reduce((a, b) => (b.rank > a.rank ? b : a));
  const isPlain = worst.state === "quiet" || worst.state === "no_data";
  const headline = place && isPlain ? fill(words[`air_${worst.state}_place`], { place: place.name }) : worst.headline;
  const lines = [...worst.facts];
  const nearest = Math.min(...selected.map((entry) => entry.distance ?? 0));
  if (place && nearest > FAR_METRES) lines.push(fill(words.air_far, { distance: distanceText(nearest) }));
  const elsewhere = situations.items.find((item) => item.state === "peak");
  if (elsewhere && worst.state !== "peak") lines.push(fill(words.air_elsewhere, { headline: elsewhere.headline }));
  return { state: worst.state, headline, facts: lines, plume: worst.plume };
}

function stationRow({ item, distance }) {
  const isOwn = readOwnStations().includes(item.station);
  const star = element("button", { type: "button", className: "star", textContent: isOwn ? "★" : "☆" });
  star.setAttribute("aria-pressed", String(isOwn));
  star.setAttribute("aria-label", fill(isOwn ? words.star_remove : words.star_add, { station: item.stationName }));
  star.addEventListener("click", () => {
    toggleOwnStation(item.station);
    draw();
    $("nearest").querySelector(`[data-station="${CSS.escape(item.station)}"] .star`)?.focus();
  });
  const row = element(
    "li",
    { className: `air-${item.state}` },
    star,
    element("a", { href: `${facts.home}stations/${encodeURIComponent(item.station)}`, textContent: item.stationName }),
    element("span", { className: "distance", textContent: distance === null ? "" : distanceText(distance) }),
    element("span", { className: "stand" }, element("span", { className: "label", textContent: item.label }), " ", element("strong", { textContent: item.value && `${item.value}, ${item.averaging}` })),
  );
  row.dataset.station = item.station;
  return row;
}

function draw() {
  if (!situations || !situations.items.length) return;
  const selected = selectStations();
  const answer = answerFor(selected);
  $("answer").className = `situation air-${answer.state}`;
  const link = answer.plume && element("a", { href: `${facts.home}plumes/${encodeURIComponent(answer.plume)}`, textContent: answer.headline });
  if ($("headline").textContent !== answer.headline || Boolean(link) !== Boolean($("headline").querySelector("a"))) $("headline").replaceChildren(link || answer.headline);
  $("facts").replaceChildren(...answer.facts.map((textContent) => element("li", { textContent })));
  $("meaning").textContent = words[`meaning_${answer.state}`];
  $("nearest-title").textContent = place ? fill(words.nearest_to, { place: place.name }) : readOwnStations().length ? words.own_stations : words.nearest_all;
  $("whole-area").hidden = !place;
  $("nearest").replaceChildren(...selected.map(stationRow));
}

async function refresh() {
  const response = await fetch(`/api/v1/situations?language=${facts.language}`);
  if (!response.ok) return;
  situations = await response.json();
  draw();
}

// --- what a reader does ---------------------------------------------------------------------------------------------

document.querySelector("form.find").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const text = $("place").value;
  const match = searchPlace(text);
  if (match) return choosePlace(match);
  if (!text.trim()) return choosePlace(null);
  const isPostcode = /^\s*[1-9][0-9]{3}/.test(text);
  $("place-problem").textContent = fill(isPostcode ? words.place_no_postcode : words.place_no_name, { text: text.trim().slice(0, 40) });
});

$("whole-area").addEventListener("click", (click) => {
  click.preventDefault();
  choosePlace(null);
});

$("locate").hidden = !navigator.geolocation;
if (navigator.geolocation) {
  $("locate").addEventListener("click", () => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => choosePlace({ name: words.here, latitude: coords.latitude, longitude: coords.longitude, isPosition: true }, words.location_private),
      (error) => ($("place-problem").textContent = error.code === error.PERMISSION_DENIED ? words.location_refused : words.location_unknown),
      { timeout: 10_000, maximumAge: 300_000 },
    );
  });
}

if (isLive) {
  let timer = null;
  const schedule = () => (timer ??= setTimeout(() => ((timer = null), refresh().catch(() => {})), 500 + Math.random() * 1500));
  const channel = new BroadcastChannel("piekwacht-live"); // of stream.js: an event, or a part that has to be read again
  channel.onmessage = ({ data }) => {
    if (!["event", "stale", "not_read"].includes(data.kind)) return;
    schedule();
    setTimeout(schedule, CACHED); // the first answer may be one from before the event
  };
  setInterval(() => document.hidden || schedule(), REFRESH);
  document.addEventListener("visibilitychange", () => document.hidden || schedule());
}
place = facts.wanted ? searchPlace($("place").value) : readPlace();
if (situations) draw();
else refresh().catch(() => {});
if (place) document.dispatchEvent(new CustomEvent("piekwacht:place", { detail: place }));
