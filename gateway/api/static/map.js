// Updates the page live; it is complete without this script. Every text is set as text, never as HTML.
import { follow, stateWriter } from "./stream.js";
import { element, formatter } from "./figures.js";
import { followNotifications, groupIntoPlumes, peakRow } from "./plumes.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const words = boot.words;
const averagings = boot.averagings;
const home = boot.home;
const { number, timeOfDay, unit, age, ratio, duration, ...format } = formatter(boot);
const stations = new Map(boot.stations.map((feature) => [feature.id, feature]));
const events = new Map(boot.events.map((event) => [event.id, event]));
const markers = new Map();
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

let map = null;
function drawMap() {
  if (!window.L) return;
  document.getElementById("map").classList.add("drawn"); // before Leaflet measures it
  const baseMap = boot.baseMap;
  map = L.map("map", { zoomSnap: baseMap ? 1 : 0.25, attributionControl: false, scrollWheelZoom: false });
  if (baseMap) {
    const attribution = element("span", { textContent: baseMap.attribution }).innerHTML; // escaped: it is shown as HTML
    L.tileLayer("/map/{z}/{x}/{y}.png", { attribution, minZoom: baseMap.minZoom, maxZoom: baseMap.maxZoom }).addTo(map);
    L.control.attribution({ prefix: false }).addTo(map);
  }
  const outline = L.geoJSON(boot.outlines, { style: { color: "#5c7a6b", weight: 2, fillColor: "#f4f2e6", fillOpacity: baseMap ? 0 : 1 }, interactive: false }).addTo(map);
  for (const site of boot.sites) {
    const label = element("span", { textContent: site.name });
    L.marker([site.latitude, site.longitude], { icon: L.divIcon({ className: "site", html: label, iconAnchor: [5, 5] }), keyboard: false, interactive: false, zIndexOffset: -1000 }).addTo(map);
  }
  for (const feature of stations.values()) {
    const [longitude, latitude] = feature.geometry.coordinates;
    const marker = L.marker([latitude, longitude], { icon: icon(feature), zIndexOffset: zIndexOffset(feature), title: markerTitle(feature), alt: markerTitle(feature) }).addTo(map);
    marker.bindPopup(() => popup(feature));
    markers.set(feature.id, marker);
  }
  L.control.scale({ imperial: false }).addTo(map);
  const places = boot.stations.map((f) => [f.geometry.coordinates[1], f.geometry.coordinates[0]]);
  const bounds = places.length ? L.latLngBounds(places).pad(0.15) : outline.getBounds();
  if (bounds.isValid()) map.fitBounds(bounds, { maxZoom: 13 });
}

function hasOpenPeak(id) {
  return [...events.values()].some((e) => e.station === id && e.kind === "peak" && !e.end && e.change !== "voided");
}

// If markers overlap, a station with a peak is on top, then the highest value.
function zIndexOffset(feature) {
  const newestMinute = feature.properties.newest[shownProperty];
  const value = hasNoData(newestMinute) ? 0 : (newestMinute?.mean ?? 0);
  return (hasOpenPeak(feature.id) ? 2000 : 0) + Math.max(0, Math.min(1000, Math.round(value)));
}

function icon(feature) {
  const value = feature.properties.newest[shownProperty];
  const noData = hasNoData(value);
  const steps = boot.colourSteps[shownProperty];
  const step = !noData && steps && value.mean !== null ? ` c${steps.filter((s) => value.mean >= s).length}` : "";
  const name = `marker${noData ? " silent" : step}${hasOpenPeak(feature.id) ? " peaking" : ""}`;
  const text = noData || value.mean === null ? "–" : Math.abs(value.mean) >= 1000 ? `${Math.round(value.mean / 1000)}k` : String(Math.round(value.mean));
  return L.divIcon({ className: name, html: element("span", { textContent: text }), iconSize: [36, 36] });
}

const meanText = (value) => `${number(value.mean)} ${unit(value.unit)}, ${averagings[value.averaging]}`;

// What a marker says to the pointer and to a screen reader: the number on it is a mean, and of what.
function markerTitle(feature) {
  const value = feature.properties.newest[shownProperty];
  const name = feature.properties.name;
  return hasNoData(value) || value.mean === null ? name : `${name}: ${meanText(value)}`;
}

function popup(feature) {
  const rows = Object.entries(feature.properties.newest)
    .filter(([name]) => document.querySelector(`#property option[value="${name}"]`))
    .map(([name, v]) => element("div", { textContent: `${boot.names[name] ?? name}: ${hasNoData(v) ? "–" : meanText(v)}` }));
  const link = element("a", { href: `${home}stations/${encodeURIComponent(feature.id)}`, textContent: feature.properties.name });
  return element("div", {}, element("strong", {}, link), ...rows);
}

function legend() {
  const legendElement = document.getElementById("legend");
  legendElement.querySelectorAll(".step").forEach((step) => step.remove());
  const steps = boot.colourSteps[shownProperty];
  const sample = [...stations.values()].map((f) => f.properties.newest[shownProperty]).find(Boolean);
  document.getElementById("legend-unit").textContent = sample && unit(sample.unit) ? `, ${unit(sample.unit)}` : "";
  if (!steps) return;
  [0, ...steps].forEach((from, i) => {
    const colour = element("i", { className: `c${i}` });
    legendElement.append(element("span", { className: "step" }, colour, i < steps.length ? `${from}–${steps[i]}` : `> ${from}`));
  });
}

// --- table and lists ----------------------------------------------------------------------------

function drawTable() {
  for (const feature of stations.values()) {
    const row = document.querySelector(`tr[data-station="${CSS.escape(feature.id)}"]`);
    if (!row) continue;
    let latest = null;
    for (const [name, value] of Object.entries(feature.properties.newest)) {
      if (value.observedAt && (!latest || value.observedAt > latest)) latest = value.observedAt;
      const cell = row.querySelector(`td[data-property="${CSS.escape(name)}"]`);
      if (cell && hasNoData(value)) cell.textContent = "–";
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

function drawMarkers() {
  for (const [id, marker] of markers) {
    const next = icon(stations.get(id));
    const before = marker.getIcon();
    marker.setZIndexOffset(zIndexOffset(stations.get(id)));
    marker.options.title = marker.options.alt = markerTitle(stations.get(id));
    marker.getElement()?.setAttribute("title", marker.options.title);
    marker.getElement()?.setAttribute("aria-label", marker.options.title);
    if (before.options.className !== next.options.className || before.options.html.textContent !== next.options.html.textContent) marker.setIcon(next);
  }
}

let drawIsScheduled = false;
function scheduleDraw() {
  if (drawIsScheduled) return;
  drawIsScheduled = true;
  setTimeout(() => {
    drawIsScheduled = false;
    drawTable();
    drawMarkers();
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
  if (!previous || previous.revision <= event.revision) events.set(event.id, event);
}

function receiveEvent(event) {
  storeEvent(event);
  drawPeaks();
  drawMarkers();
  readNotifications();
}

function receiveValues(values) {
  values.forEach(storeValue);
  scheduleDraw();
}

document.getElementById("property").addEventListener("change", (change) => {
  shownProperty = change.target.value;
  legend();
  drawMarkers();
});

const readNotifications = followNotifications(boot, { timeOfDay }, drawPeaks);
drawMap();
legend();
drawTable();
follow({ onValues: receiveValues, onEvent: receiveEvent, onStale: () => reload().catch(() => {}), onState: stateWriter(words) });
setInterval(scheduleDraw, 5000);
