// Updates the page live; it is complete without this script. Every text is set as text, never as HTML.
import { follow, stateWriter } from "./stream.js";
import { element, formatter } from "./figures.js";
import { isOpenPeak } from "./popup.js";
import { createStationMap } from "./station_map.js";
import { fillMarkList, groupByStation } from "./marks.js";
import { followNotifications, groupIntoPlumes, peakRow } from "./plumes.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const words = boot.words;
const averagings = boot.averagings;
const home = boot.home;
const { number, timeOfDay, unit, age, ratio, duration, ...format } = formatter(boot);
const stations = new Map(boot.stations.map((feature) => [feature.id, feature]));
const events = new Map(boot.events.map((event) => [event.id, event]));
const falseAlarms = new Map(); // id of an event -> its severity when an inspector judged it
let shownProperty = document.getElementById("property").value;
let newest = Math.max(0, ...boot.stations.flatMap((f) => Object.values(f.properties.newest).map((v) => timeOf(v))));


// When its newest valid value was read; 0 without one.
function timeOf(value) {
  return value?.observedAt ? Date.parse(value.observedAt) : 0;
}

const now = () => (boot.replay ? newest : Date.now());
const hasNoData = (value) => format.hasNoData(value?.observedAt, now());

// --- values -----------------------------------------------------------------------------------

function storeValue(observation) {
  const feature = stations.get(observation.station);
  if (!feature) return;
  const at = timeOf(observation);
  newest = Math.max(newest, at);
  const previous = feature.properties.newest[observation.observedProperty];
  if (previous && timeOf(previous) > at) return;
  feature.properties.newest[observation.observedProperty] = { ...previous, ...observation };
}

// --- map --------------------------------------------------------------------------------------

let marks = new Map(); // by station

const stationMap = createStationMap({ boot, stations, events, marksOf: (id) => marks.get(id) ?? [], hasNoData, now, format: { ...format, number, timeOfDay, unit, age }, shown: () => shownProperty });

// Shows a moment of the past: {property, unit, values by station id, peaks: station ids}. null: live again.
export const showFrame = (frame) => stationMap.showFrame(frame);
export const showStation = (id) => stationMap.showStation(id);

function legend() {
  const legendElement = document.getElementById("legend");
  legendElement.querySelectorAll(".step").forEach((step) => step.remove());
  const steps = boot.colourSteps[shownProperty];
  const sample = [...stations.values()].map((f) => f.properties.newest[shownProperty]).find(Boolean);
  const unitText = sample && (format.isRawSignal(sample.unit) ? words.share_unit : unit(sample.unit));
  document.getElementById("legend-unit").textContent = unitText ? `, ${unitText}` : "";
  if (!steps) return;
  [0, ...steps].forEach((from, i) => {
    const colour = element("i", { className: `c${i}` });
    legendElement.append(element("span", { className: "step" }, colour, i < steps.length ? `${from}–${steps[i]}` : `> ${from}`));
  });
}

// --- table and lists ----------------------------------------------------------------------------

function drawTable() {
  if (boot.moment) return; // the table shows that moment
  for (const feature of stations.values()) {
    const row = document.querySelector(`tr[data-station="${CSS.escape(feature.id)}"]`);
    if (!row) continue;
    let latest = null;
    for (const [name, value] of Object.entries(feature.properties.newest)) {
      if (value.observedAt && (!latest || value.observedAt > latest)) latest = value.observedAt;
      const cell = row.querySelector(`td[data-property="${CSS.escape(name)}"]`);
      if (cell && hasNoData(value)) cell.textContent = "–";
      else if (cell && format.isRawSignal(value.unit)) cell.textContent = format.level(value.mean, value.unit, boot.backgrounds[feature.id]?.[name]);
      else if (cell) cell.replaceChildren(`${number(value.mean)} `, element("span", { className: "unit", textContent: unit(value.unit) }));
    }
    row.classList.toggle("silent", hasNoData(latest && { observedAt: latest }));
    const text = age(latest, now());
    row.querySelector(".age").replaceChildren(latest ? element("time", { dateTime: latest, textContent: text, title: new Date(latest).toString() }) : text);
  }
}

const order = boot.propertyOrder;
const rowTools = { boot, format: { ...format, number, timeOfDay, unit, age, ratio, duration }, stationName: (id) => stations.get(id)?.properties.name ?? id };

function drawPeaks() {
  const plumes = groupIntoPlumes([...events.values()].filter((event) => event.kind === "peak"), order);
  const open = plumes.filter((plume) => plume.state === "ongoing");
  const past = plumes.filter((plume) => plume.state === "over");
  document.getElementById("peaks").replaceChildren(...open.slice(0, 12).map((plume) => peakRow(plume, rowTools)));
  document.getElementById("past").replaceChildren(...past.slice(0, 5).map((plume) => peakRow(plume, rowTools)));
  document.getElementById("no-peaks").hidden = open.length > 0;
  document.getElementById("no-past").hidden = past.length > 0;
}

let drawIsScheduled = false;
function scheduleDraw() {
  if (drawIsScheduled) return;
  drawIsScheduled = true;
  setTimeout(() => {
    drawIsScheduled = false;
    drawTable();
    stationMap.draw();
  }, 250);
}

// --- the stream ---------------------------------------------------------------------------------

async function reload() {
  const [collection, peaks] = await Promise.all(["/api/v1/stations", "/api/v1/events?limit=60"].map((url) => fetch(url).then((response) => response.json())));
  // live values that arrived meanwhile are newer than the response
  for (const { id, properties } of collection.features) for (const [name, value] of Object.entries(properties.newest)) storeValue({ station: id, observedProperty: name, ...value });
  peaks.items.forEach(storeEvent);
  drawPeaks();
  scheduleDraw();
}

function storeEvent(event) {
  const previous = events.get(event.id);
  if (previous && previous.revision > event.revision) return;
  // a false alarm holds until the event gets worse; the plume is read again soon after
  events.set(event.id, falseAlarms.get(event.id) === event.severity ? { ...event, change: "voided" } : event);
}

// What the API says of each event counts: an inspector may have judged it a false alarm, or withdrawn that.
function storeJudgements(plumes) {
  for (const plume of plumes) for (const event of plume.events) {
    if (plume.falseAlarm && event.change === "voided") falseAlarms.set(event.id, event.severity);
    else falseAlarms.delete(event.id);
    const stored = events.get(event.id);
    if (stored && stored.revision <= event.revision) events.set(event.id, { ...stored, change: event.change });
  }
  stationMap.draw();
}

function receiveEvent(event) {
  storeEvent(event);
  drawPeaks();
  drawMarks();
  stationMap.draw();
  readNotifications();
}

function receiveMarks(next) {
  if (boot.moment) return; // the page shows that moment
  marks = groupByStation(next.filter((mark) => stations.has(mark.station)));
  drawMarks();
  stationMap.draw();
}

// A station with a peak has no mark beside it: the peak says more.
function drawMarks() {
  const peaking = new Set([...events.values()].filter(isOpenPeak).map((event) => event.station));
  const shown = [...marks.values()].map(([mark]) => mark).filter((mark) => !peaking.has(mark.station)).slice(0, 6);
  fillMarkList(document.getElementById("possible"), shown, rowTools, (mark) => rowTools.stationName(mark.station));
}

function receiveValues(values) {
  values.forEach(storeValue);
  scheduleDraw();
}

document.getElementById("property").addEventListener("change", (change) => {
  shownProperty = change.target.value;
  legend();
  stationMap.draw();
  if (document.getElementById("show-tracks")?.checked) showTracks(true);
});

// --- mobile stations ----------------------------------------------------------------------------

let trackLayer = null;

async function showTracks(isOn) {
  const problem = document.getElementById("tracks-problem");
  const { createTrackLayer } = await import("./tracks.js");
  trackLayer ??= createTrackLayer(stationMap.leaflet(), { boot, format: { number, unit }, shown: () => shownProperty });
  problem.textContent = (await trackLayer.show(isOn)) ? "" : boot.tracks.words.failed;
}

document.getElementById("show-tracks")?.addEventListener("change", (change) => showTracks(change.target.checked));

const readNotifications = followNotifications(boot, { timeOfDay }, storeJudgements, drawPeaks);
stationMap.open();
legend();
drawTable();
follow({ onValues: receiveValues, onEvent: receiveEvent, onMarks: receiveMarks, onStale: () => reload().catch(() => {}), onState: stateWriter(words) });
setInterval(scheduleDraw, 5000);
