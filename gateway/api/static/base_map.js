// What the map shows below the stations: the drawn base map always, and an archive of vector tiles or a map server's
// tiles over it if the site has them. Names get the places that markers leave free.
import { element } from "./figures.js";
import { placeLabels } from "./spread.js";

const LABEL_HEIGHT = 16; // px
const SIDE = 6;
const ATTRIBUTION = "© OpenStreetMap, Protomaps";
const RANK_ZOOM = { 1: 0, 2: 11.5, 3: 12.5, 4: 13.5 }; // from which zoom level a place of that rank has its name

// Adds the base map; `boxes()` are the boxes that markers take. Returns a function that places the names again.
export function addBaseMap(map, boot, boxes) {
  const names = [];
  map.createPane("base").classList.add("base-pane");
  map.createPane("tiles").classList.add("tiles-pane");
  map.createPane("names").classList.add("names-pane");
  const renderer = L.svg({ pane: "base", padding: 0.5 });
  for (const site of boot.sites) names.push({ ...site, rank: 1, css: "name site-name" });
  const draw = () => placeNames(map, names, boxes());
  for (const url of boot.bases) {
    fetch(url)
      .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`${response.status}`))))
      .then((drawing) => {
        addDrawing(map, renderer, drawing, names, boot.sites);
        draw();
      })
      .catch(() => {}); // the outline of the area is there
  }
  addTiles(map, boot);
  map.on("zoomend moveend", draw);
  return draw;
}

function addDrawing(map, renderer, drawing, names, sites) {
  const paths = { ...drawing, features: drawing.features.filter((feature) => feature.geometry.type !== "Point") };
  L.geoJSON(paths, {
    interactive: false,
    renderer,
    pane: "base",
    style: ({ properties, geometry }) => ({ className: `base ${properties.kind}`, fill: geometry.type === "Polygon", stroke: true, weight: 1 }),
  }).addTo(map);
  const named = new Set(sites.map((site) => site.name));
  for (const { properties, geometry } of drawing.features) {
    if (geometry.type === "Point") {
      const [longitude, latitude] = geometry.coordinates;
      names.push({ name: properties.name, latitude, longitude, rank: properties.rank, css: `name rank-${properties.rank}` });
    } else if (["motorway", "water", "sea"].includes(properties.kind)) {
      const [longitude, latitude] = middle(geometry);
      names.push({ name: properties.name, latitude, longitude, rank: 3, css: `name ${properties.kind}-name` });
    } else if (properties.kind === "site" && ![...named].some((name) => name.startsWith(properties.name))) {
      const [longitude, latitude] = middle(geometry);
      names.push({ name: properties.name, latitude, longitude, rank: 2, css: "name site-name" });
    }
  }
  names.sort((a, b) => a.rank - b.rank);
}

// A point on a line, or in the middle of a polygon's corners.
function middle({ type, coordinates }) {
  if (type === "LineString") return coordinates[Math.floor(coordinates.length / 2)];
  const ring = coordinates[0].slice(0, -1);
  return [0, 1].map((axis) => ring.reduce((sum, position) => sum + position[axis], 0) / ring.length);
}

function placeNames(map, names, boxes) {
  const zoom = map.getZoom();
  const bounds = map.getBounds();
  const shown = names.filter((name) => zoom >= (RANK_ZOOM[name.rank] ?? 13) && bounds.contains([name.latitude, name.longitude]));
  const labels = shown.map((name) => {
    const { x, y } = map.latLngToLayerPoint([name.latitude, name.longitude]);
    return { x, y, width: widthOf(name.name) + SIDE, height: LABEL_HEIGHT };
  });
  const places = placeLabels(labels, boxes);
  const pane = map.getPane("names");
  pane.replaceChildren(
    ...shown.flatMap(({ name, css }, i) => {
      if (!places[i]) return [];
      const label = element("span", { className: css, textContent: name });
      L.DomUtil.setPosition(label, L.point(places[i].x - labels[i].width / 2, places[i].y - LABEL_HEIGHT / 2).round());
      return [label];
    }),
  );
  map.getContainer().classList.toggle("close", zoom >= 12.5);
}

let pencil = null;
function widthOf(text) {
  if (!pencil) {
    pencil = document.createElement("canvas").getContext("2d");
    pencil.font = "600 12px system-ui, sans-serif";
  }
  return pencil.measureText(text).width;
}

function addTiles(map, boot) {
  const controls = () => L.control.attribution({ prefix: false });
  if (boot.baseMap) {
    const attribution = element("span", { textContent: boot.baseMap.attribution }).innerHTML; // escaped: it is shown as HTML
    const { minZoom, maxZoom } = boot.baseMap;
    // below the lowest level of the map server's tiles the drawn base map shows
    L.tileLayer("/map/{z}/{x}/{y}.png", { attribution, minZoom, maxZoom, pane: "tiles" }).on("load", () => map.getContainer().classList.add("tiled")).addTo(map);
    controls().addTo(map);
  } else if (boot.archives.length) {
    addArchives(map, boot).then(() => controls().addAttribution(ATTRIBUTION).addTo(map), () => {}); // the drawn base map is there
  }
}

// The library is loaded only if there is an archive: it is a third of the whole first load.
async function addArchives(map, boot) {
  await loadScript("/static/vendor/protomaps-leaflet.js");
  const flavor = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  for (const { url, maxZoom } of boot.archives) {
    const layer = protomapsL.leafletLayer({ url, flavor, lang: boot.language, maxDataZoom: maxZoom, pane: "tiles", attribution: "" });
    layer.on("load", () => map.getContainer().classList.add("tiled", "lettered"));
    layer.addTo(map);
  }
}

function loadScript(src) {
  return new Promise((resolve, reject) => {
    document.head.append(element("script", { src, onload: resolve, onerror: reject }));
  });
}
