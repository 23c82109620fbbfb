// The layer of mobile stations on the map: cells of 50 m that vehicles crossed, and the newest tracks. Read when switched on.
import { element } from "./figures.js";

const MOST_TRACKS = 8; // per area

// `page`: boot, format of numbers, shown() the property.
export function createTrackLayer(map, { boot, format, shown }) {
  const words = boot.tracks.words;
  const layer = L.layerGroup();
  let drawn = "";

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const colour = (value) => (boot.colourSteps[shown()] ?? []).filter((from) => value >= from).length;

  async function read(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    return response.json();
  }

  function addCells(collection) {
    L.geoJSON(collection, {
      style: (cell) => ({ className: `track-cell c${colour(cell.properties.value)}`, weight: 0, fillOpacity: 0.65 }),
      onEachFeature: (cell, shape) => {
        const { value, passes, days } = cell.properties;
        const figure = `${format.number(value)} ${format.unit(collection.unit)}`;
        shape.bindPopup(() => element("p", { textContent: fill(words.cell, { value: figure, passes, days }) }));
      },
    }).addTo(layer);
  }

  // Parts of one colour; the line of a track is never drawn over the cells of others without its own.
  function addTrack(track) {
    const { coordinates } = track.geometry;
    const values = track.properties.observed[shown()]?.values ?? [];
    if (track.geometry.type !== "LineString") return;
    const corners = coordinates.map(([longitude, latitude]) => [latitude, longitude]);
    let start = 0;
    for (let i = 1; i < corners.length; i += 1) {
      const isLast = i === corners.length - 1;
      if (!isLast && colour(values[i] ?? 0) === colour(values[start] ?? 0)) continue;
      const line = L.polyline(corners.slice(start, i + 1), { className: `track-part c${colour(values[start] ?? 0)}`, weight: 4 });
      const link = element("a", { href: `${boot.home}tracks/${encodeURIComponent(track.id)}`, textContent: track.properties.stationName });
      line.bindPopup(() => element("p", {}, link));
      line.addTo(layer);
      start = i;
    }
  }

  async function draw() {
    const property = shown();
    if (drawn === property) return;
    drawn = property;
    layer.clearLayers();
    for (const area of boot.tracks.areas) {
      const query = `area=${encodeURIComponent(area)}`;
      const [cells, tracks] = await Promise.all([read(`/api/v1/grid-cells?${query}&property=${property}`), read(`/api/v1/tracks?${query}&limit=${MOST_TRACKS}`)]);
      const features = await Promise.all(tracks.items.map((item) => read(`/api/v1/tracks/${item.id}?property=${property}`)));
      if (drawn !== property) return; // another property was chosen meanwhile
      addCells(cells);
      features.forEach(addTrack);
    }
  }

  // Shows or hides the layer; false if it could not be read.
  async function show(isOn) {
    if (!isOn) {
      layer.remove();
      return true;
    }
    layer.addTo(map);
    try {
      await draw();
      return true;
    } catch {
      drawn = "";
      return false;
    }
  }

  return { show };
}
