// The map of the stations: markers that do not hide each other, their popups, the wind, and where the air of a peak goes.
import { element } from "./figures.js";
import { addBaseMap } from "./base_map.js";
import { buildPopup, bySeverity, fillPeakOfToday, isOpenPeak } from "./popup.js";
import { describeMark } from "./marks.js";
import { cluster, spread } from "./spread.js";
import { arrow, describeWind, downwindSector, meanWind, stationWind } from "./wind.js";

const MARKER_DISTANCE = 42; // px between the middles of two markers: each can be tapped
const CLUSTER_DISTANCE = 34; // px
const MOST_SPREAD = 7; // so many stations within that distance can still stand apart
const LABEL_ROOM = 56; // px below the stations, for scale and wind
const ZOOM_OUT = 3; // levels below the one that shows all stations
const NO_DATA = "–";

const positionOf = (feature) => [feature.geometry.coordinates[1], feature.geometry.coordinates[0]];

// `page`: boot, stations and events by id, marksOf(station), shown() the property, hasNoData(value), now(), and format of
// numbers.
export function createStationMap(page) {
  const { boot, stations, events, marksOf, hasNoData, format } = page;
  const markers = new Map();
  let map = null;
  let frame = null; // a moment of the past that is shown instead of the newest values
  let places = new Map(); // of each station its marker's place on the map, in pixels
  let isClustered = false;
  let shifted = null; // lines to true places, and markers of several stations
  let sectors = null;
  let windLabel = null;
  let pin = null;

  function open() {
    if (!window.L || map) return;
    const container = document.getElementById("map");
    container.classList.add("drawn"); // before Leaflet measures it
    container.replaceChildren();
    map = L.map(container, { zoomSnap: boot.baseMap ? 1 : 0.25, attributionControl: false, scrollWheelZoom: false });
    map.createPane("sectors").classList.add("sectors-pane");
    const outline = L.geoJSON(boot.outlines, { style: { className: "outline", fill: false, weight: 2 }, interactive: false, pane: "sectors" }).addTo(map);
    shifted = L.layerGroup().addTo(map);
    sectors = L.layerGroup().addTo(map);
    for (const feature of stations.values()) addMarker(feature);
    L.control.scale({ imperial: false }).addTo(map);
    addWindLabel();
    const bounds = stations.size ? L.latLngBounds([...stations.values()].map(positionOf)).pad(0.15) : outline.getBounds();
    if (bounds.isValid()) map.fitBounds(bounds, { maxZoom: 13, paddingBottomRight: [0, LABEL_ROOM] });
    else map.setView([52.2, 5.3], 7); // the Netherlands
    if (!boot.baseMap) map.setMinZoom(map.getZoom() - ZOOM_OUT); // the drawn base map ends there
    map.on("zoomend viewreset", arrange);
    arrange();
    addBaseMap(map, boot, markerBoxes)();
    drawWind();
  }

  function addMarker(feature) {
    const title = titleOf(feature);
    const marker = L.marker(positionOf(feature), { icon: icon(feature), zIndexOffset: zIndexOffset(feature), title, alt: title }).addTo(map);
    marker.bindPopup(() => buildPopup(feature, page), { maxWidth: Math.min(250, map.getSize().x - 130), autoPanPaddingTopLeft: [50, 10], autoPanPaddingBottomRight: [14, 10] });
    marker.on("popupopen", () => fillPeakOfToday(marker.getPopup().getElement()?.querySelector(".today"), feature, page));
    markers.set(feature.id, marker);
  }

  function addWindLabel() {
    const control = L.control({ position: "bottomleft" });
    control.onAdd = () => (windLabel = element("p", { className: "area-wind", hidden: true }));
    control.addTo(map);
  }

  // --- where markers stand ------------------------------------------------------------------------

  // Moves markers that overlap apart, with a line to their true place. Those too dense for that become one marker.
  function arrange() {
    shifted.clearLayers();
    places = new Map();
    const features = [...stations.values()];
    const points = features.map((feature) => map.latLngToLayerPoint(positionOf(feature)));
    const groups = cluster(points, CLUSTER_DISTANCE, MOST_SPREAD).map((group) => group.map((i) => features[i]));
    isClustered = groups.some((group) => group.length > 1);
    const truePlaces = groups.map((group) => map.latLngToLayerPoint(L.latLngBounds(group.map(positionOf)).getCenter()));
    spread(truePlaces, MARKER_DISTANCE).forEach((place, i) => {
      if (groups[i].length > 1) placeGroup(groups[i], place);
      else placeMarker(groups[i][0], truePlaces[i], place);
    });
  }

  function placeMarker(feature, truePlace, place) {
    const marker = markers.get(feature.id);
    places.set(feature.id, place);
    const isMoved = Math.hypot(place.x - truePlace.x, place.y - truePlace.y) > 3;
    const position = isMoved ? map.layerPointToLatLng(L.point(place.x, place.y)) : positionOf(feature);
    marker.setLatLng(position);
    if (!map.hasLayer(marker)) marker.addTo(map);
    if (!isMoved) return;
    L.polyline([positionOf(feature), position], { className: "leader", interactive: false, pane: "sectors", weight: 2 }).addTo(shifted);
    L.circleMarker(positionOf(feature), { className: "spot", radius: 3, interactive: false, pane: "sectors" }).addTo(shifted);
  }

  // One marker for several stations: the look of the one with a peak or the highest value, and how many there are.
  function placeGroup(group, place) {
    const [first] = [...group].sort((a, b) => zIndexOffset(b) - zIndexOffset(a));
    const title = `${group.length} ${boot.mapWords.stations_here}: ${group.map((feature) => feature.properties.name).join(", ")}`;
    for (const feature of group) {
      places.set(feature.id, place);
      markers.get(feature.id).remove();
    }
    const marker = L.marker(map.layerPointToLatLng(L.point(place.x, place.y)), { icon: icon(first, group.length), title, alt: title, zIndexOffset: zIndexOffset(first) });
    marker.on("click", () => map.fitBounds(L.latLngBounds(group.map(positionOf)).pad(0.3), { maxZoom: 18 }));
    marker.addTo(shifted);
  }

  const markerBoxes = () => [...places.values()].map(({ x, y }) => ({ left: x - 21, right: x + 21, top: y - 21, bottom: y + 21 }));

  // --- what markers look like ---------------------------------------------------------------------

  function hasOpenPeak(id) {
    if (frame) return (frame.peaks ?? []).includes(id);
    return [...events.values()].some((event) => event.station === id && isOpenPeak(event));
  }

  // The most certain mark of a station, unless it has a peak or a moment of the past is shown.
  function possiblePeak(id) {
    return frame || hasOpenPeak(id) ? null : (marksOf(id)[0] ?? null);
  }

  // {mean, unit, averaging} of a marker; null if there is no data at that moment.
  function valueOf(feature) {
    const value = feature.properties.newest[page.shown()];
    if (!frame) return hasNoData(value) || value.mean === null ? null : value;
    if (frame.property !== page.shown()) return null;
    const mean = (frame.values instanceof Map ? frame.values.get(feature.id) : frame.values[feature.id]) ?? null;
    return mean === null ? null : { mean, unit: frame.unit ?? value?.unit ?? "", averaging: "1min" };
  }

  // If markers overlap, a station with a peak is on top, then the highest value.
  function zIndexOffset(feature) {
    const value = valueOf(feature)?.mean ?? 0;
    return (hasOpenPeak(feature.id) ? 2000 : possiblePeak(feature.id) ? 1000 : 0) + Math.max(0, Math.min(1000, Math.round(value)));
  }

  function icon(feature, count = 1) {
    const value = valueOf(feature);
    const steps = boot.colourSteps[page.shown()];
    const step = value && steps ? ` c${steps.filter((from) => value.mean >= from).length}` : "";
    const name = `marker${value ? step : " silent"}${hasOpenPeak(feature.id) ? " peaking" : possiblePeak(feature.id) ? " possible" : ""}${feature.properties.stationClass === "guest" ? " guest" : ""}${count > 1 ? " group" : ""}`;
    const background = boot.backgrounds[feature.id]?.[page.shown()];
    const text = !value ? NO_DATA : format.isRawSignal(value.unit) ? (background > 0 ? `${Math.round((100 * value.mean) / background)}%` : NO_DATA) : Math.abs(value.mean) >= 1000 ? `${Math.round(value.mean / 1000)}k` : String(Math.round(value.mean));
    const html = element("div", { className: "inside" }, element("span", { textContent: text }));
    const wind = frame || count > 1 ? null : stationWind(feature.properties.newest, hasNoData);
    html.dataset.wind = wind && wind.direction !== null ? String(Math.round(wind.direction / 5)) : "";
    if (html.dataset.wind) html.append(arrow(wind.direction, "vane"));
    if (count > 1) html.append(element("b", { textContent: `${count}×` }));
    return L.divIcon({ className: name, html, iconSize: [36, 36] });
  }

  // What a marker says to the pointer and to a screen reader: the number on it is a mean, and of what.
  function titleOf(feature) {
    const value = valueOf(feature);
    const name = feature.properties.name;
    const title = value ? `${name}: ${format.level(value.mean, value.unit, boot.backgrounds[feature.id]?.[page.shown()])}, ${boot.averagings[value.averaging]}` : name;
    const mark = possiblePeak(feature.id);
    return mark ? `${title}. ${describeMark(mark, page)}` : title;
  }

  function drawMarker(feature, marker) {
    const [next, before] = [icon(feature), marker.getIcon()];
    marker.setZIndexOffset(zIndexOffset(feature));
    marker.options.title = marker.options.alt = titleOf(feature);
    marker.getElement()?.setAttribute("title", marker.options.title);
    marker.getElement()?.setAttribute("aria-label", marker.options.title);
    const [is, was] = [next.options.html, before.options.html];
    const isSame = next.options.className === before.options.className && is.textContent === was.textContent && is.dataset.wind === was.dataset.wind;
    if (!isSame) marker.setIcon(next);
  }

  // --- the wind -------------------------------------------------------------------------------------

  // The wind of the area, and where the air of each open peak goes.
  function drawWind() {
    const winds = frame ? [] : [...stations.values()].map((feature) => stationWind(feature.properties.newest, hasNoData)).filter(Boolean);
    const wind = meanWind(winds);
    windLabel.hidden = !wind;
    if (wind) {
      const text = element("span", { textContent: `${boot.mapWords.wind} ${describeWind(wind, boot.wind, format.number)}` });
      windLabel.replaceChildren(...(wind.direction === null ? [] : [arrow(wind.direction, "area-arrow")]), text);
    }
    drawSectors(frame ? [] : [...events.values()].filter(isOpenPeak).sort(bySeverity), wind);
  }

  // The wind of a sector is the present one: of the station itself, else of the area; else that of the event.
  function drawSectors(peaks, areaWind) {
    sectors.clearLayers();
    const drawn = new Set();
    for (const { station, plume, around } of peaks) {
      const feature = stations.get(station);
      if (!feature || drawn.has(plume ?? station)) continue;
      const wind = stationWind(feature.properties.newest, hasNoData) ?? areaWind ?? around?.wind;
      const corners = downwindSector(feature.geometry.coordinates, wind, around?.wind?.spread);
      if (!corners.length) continue;
      drawn.add(plume ?? station);
      L.polygon(corners, { className: "downwind", interactive: false, pane: "sectors", weight: 1 }).addTo(sectors);
    }
  }

  // --- for the page -----------------------------------------------------------------------------------

  function draw() {
    if (!map) return;
    for (const [id, marker] of markers) drawMarker(stations.get(id), marker);
    if (isClustered) arrange();
    drawWind();
  }

  function showFrame(shown) {
    frame = shown;
    draw();
  }

  function showStation(id) {
    const feature = stations.get(id);
    if (!map || !feature) return;
    map.setView(positionOf(feature), Math.max(map.getZoom(), 13));
    markers.get(id).openPopup();
  }

  function showPlace({ latitude, longitude, name }) {
    if (!map) return;
    pin?.remove();
    pin = L.marker([latitude, longitude], { icon: L.divIcon({ className: "pin", iconSize: [18, 18] }), title: name, alt: name, keyboard: false }).addTo(map);
    map.setView([latitude, longitude], Math.max(map.getZoom(), 13));
  }

  document.addEventListener("piekwacht:frame", ({ detail }) => showFrame(detail));
  document.addEventListener("piekwacht:place", ({ detail }) => detail && showPlace(detail));
  return { open, draw, showFrame, showStation, leaflet: () => map };
}
