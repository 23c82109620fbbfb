// The last 24 hours on the map: a slider over frames of one minute. It loads when a reader asks for it, or when the
// address names a moment. `map.js` draws each frame.
import { localeOf } from "./figures.js";
import { showFrame } from "./map.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const words = boot.words;
const $ = (id) => document.getElementById(id);
const FRAME_INTERVAL = 100; // ms; ten minutes of air a second
const timeText = new Intl.DateTimeFormat(localeOf(boot), { timeZone: "Europe/Amsterdam", weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let day = null; // the document of /api/v1/playback
let timer = null;

// The frames of the property that the map shows; `moment`: of the legal day of that moment.
async function load(moment) {
  const query = new URLSearchParams({ property: $("property").value });
  if (moment) query.set("day", new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Amsterdam" }).format(new Date(moment)));
  const response = await fetch(`/api/v1/playback?${query}`);
  if (!response.ok) throw new Error(response.statusText);
  day = await response.json();
  const count = (Date.parse(day.end) - Date.parse(day.start)) / 60000;
  $("moment").max = String(Math.max(0, count - 1));
}

function show(index) {
  const at = Date.parse(day.start) + index * 60000;
  const values = {};
  for (const [station, steps] of Object.entries(day.stations)) values[station] = steps[index] === null || steps[index] === undefined ? null : steps[index] * day.resolution;
  const peaks = day.peaks.filter((peak) => peak.first <= index && index <= peak.last).map((peak) => peak.station);
  const instant = new Date(at).toISOString();
  showFrame({ at: instant, property: day.observedProperty, unit: day.unit, values: new Map(Object.entries(values)), peaks });
  const text = words.playback_frame.replace("{time}", timeText.format(at));
  $("moment-text").textContent = text;
  $("moment").setAttribute("aria-valuetext", text);
  const address = new URL(location.href);
  address.searchParams.set("at", instant);
  $("moment-link").href = address.href;
}

function pause() {
  clearInterval(timer);
  timer = null;
  $("play").textContent = words.play;
}

function play() {
  if (Number($("moment").value) >= Number($("moment").max)) $("moment").value = "0";
  $("play").textContent = words.pause;
  timer = setInterval(() => {
    const next = Number($("moment").value) + (reducedMotion.matches ? 10 : 1);
    if (next > Number($("moment").max)) return pause();
    $("moment").value = String(next);
    show(next);
  }, reducedMotion.matches ? 1000 : FRAME_INTERVAL);
}

async function open(moment) {
  try {
    await load(moment);
  } catch {
    $("moment-text").textContent = words.playback_failed;
    $("playback").hidden = false;
    return;
  }
  const last = Number($("moment").max);
  const index = moment ? Math.round((Date.parse(moment) - Date.parse(day.start)) / 60000) : last;
  $("moment").value = String(Math.min(last, Math.max(0, index)));
  $("playback").hidden = false;
  $("play-day").classList.add("unused");
  show(Number($("moment").value));
}

function close() {
  pause();
  day = null;
  $("playback").hidden = true;
  $("play-day").classList.remove("unused");
  showFrame(null);
}

$("play-day").addEventListener("click", () => open(null).then(() => $("moment").focus()));
$("play").addEventListener("click", () => day && (timer ? pause() : play()));
$("moment").addEventListener("input", () => {
  pause();
  if (day) show(Number($("moment").value));
});
$("live-again").addEventListener("click", () => (boot.moment ? location.assign(boot.home) : close()));
$("property").addEventListener("change", () => {
  if (!day) return;
  const at = new Date(Date.parse(day.start) + Number($("moment").value) * 60000).toISOString();
  pause();
  open(at);
});
if (boot.moment) open(boot.moment);
