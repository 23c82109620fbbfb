// What the map shows below the stations: the drawn base map always, and an archive of vector tiles or a map server's
// tiles over it if the site has them. Names get the places that markers leave free.
import { element } from "./figures.js";
import { placeLabels } from "./spread.js";

const LABEL_HEIGHT = 16; // px
const SIDE = 6;
const ATTRIBUTION = "© OpenStreetMap, Protomaps";
const RANK_ZOOM = { 1: 9.5, 2: 11, 3: 12, 4: 13 }; // from which zoom level a name of that rank is shown
const RANK_OF_KIND = { site: 2, sea: 2, motorway: 2, water: 3 };

// Adds the base map; `boxes()` are the boxes that markers take. Returns a function that places the names again.
export function addBaseMap(map, boot, boxes) {
  const names = [];
  map.createPane("base").classList.add("base-pane");
  map.createPane("tiles").classList.add("tiles-pane");
  map.createPane("names").classList.add("names-pane");
  const renderer = L.svg({ pane: "base", padding: 0.5 });
  for (const site of boot.sites) names.push({ name: site.name, positions: [[site.longitude, site.latitude]], rank: 1, css: "name site-name" });
  const draw = () => placeNames(map, names, boxes());
  for (const url of boot.bases) {
    fetch(url)
      .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`${response.status}`))))
      .then((drawing) => {
        addDrawing(map, renderer, drawing, names);
        draw();
      })
      .catch(() => {}); // the outline of the area is there
  }
  addTiles(map, boot);
  map.on("zoomend moveend", draw);
  return draw;
}

function addDrawing(map, renderer, drawing, names) {
  const paths = { ...drawing, features: drawing.features.filter((feature) => feature.geometry.type !== "Point") };
  L.geoJSON(paths, {
    interactive: false,
    renderer,
    pane: "base",
    style: ({ properties, geometry }) => ({ className: `base ${properties.kind}`, fill: geometry.type === "Polygon", stroke: true, weight: 1 }),
  }).addTo(map);
  for (const { properties, geometry } of drawing.features) {
    const { kind, name } = properties;
    const known = kind === "site" ? names.find((site) => site.css.includes("site-name") && site.name.startsWith(name)) : null;
    if (known) known.name = name; // the shorter one fits more often
    if (kind === "place") names.push({ name, positions: [geometry.coordinates], rank: properties.rank, css: `name rank-${properties.rank}` });
    else if (RANK_OF_KIND[kind] && !known) names.push({ name, positions: middlesOf(geometry), rank: RANK_OF_KIND[kind], css: `name ${kind}-name`, isFixed: kind === "sea" || kind === "water" });
  }
  names.sort((a, b) => a.rank - b.rank);
}

// Points where the name of a feature can stand: on a line, in a narrow polygon, in the middle of another one.
function middlesOf({ type, coordinates }) {
  if (type === "LineString") return coordinates.slice(1).map((to, i) => between(coordinates[i], to));
  const ring = coordinates[0].slice(0, -1);
  const across = ring.slice(0, Math.floor(ring.length / 2)).map((position, i) => between(position, ring.at(-1 - i)));
  const middle = [0, 1].map((axis) => ring.reduce((sum, position) => sum + position[axis], 0) / ring.length);
  return [middle, ...across].filter((position) => isInside(ring, position));
}

function isInside(ring, [x, y]) {
  return ring.reduce((inside, [ax, ay], i) => {
    const [bx, by] = ring[(i + 1) % ring.length];
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside;
  }, false);
}

const between = (from, to) => [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];

function placeNames(map, names, boxes) {
  const zoom = map.getZoom();
  const corner = map.containerPointToLayerPoint([0, 0]);
  const size = map.getSize();
  const frame = { left: corner.x + 2, top: corner.y + 2, right: corner.x + size.x - 2, bottom: corner.y + size.y - 2 };
  const middle = { x: corner.x + size.x / 2, y: corner.y + size.y / 2 };
  const shown = names.filter((name) => zoom >= (RANK_ZOOM[name.rank] ?? 13));
  const labels = shown.map(({ name, positions, isFixed }) => {
    const points = positions.map(([longitude, latitude]) => map.latLngToLayerPoint([latitude, longitude]));
    points.sort((a, b) => distance(a, middle) - distance(b, middle));
    const visible = points.filter(({ x, y }) => x > frame.left && x < frame.right && y > frame.top && y < frame.bottom);
    return { points: visible.slice(0, 6), width: widthOf(name) + SIDE, height: LABEL_HEIGHT, isFixed };
  });
  const places = placeLabels(labels, [...boxes, ...controlBoxes(map, corner)], frame);
  map.getPane("names").replaceChildren(
    ...shown.flatMap(({ name, css }, i) => {
      if (!places[i]) return [];
      const label = element("span", { className: css, textContent: name });
      L.DomUtil.setPosition(label, L.point(places[i].x - labels[i].width / 2 + SIDE / 2, places[i].y - LABEL_HEIGHT / 2).round());
      return [label];
    }),
  );
  map.getContainer().classList.toggle("close", zoom >= 12.5);
}

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

// The parts of the map that buttons and scale cover.
function controlBoxes(map, corner) {
  const outer = map.getContainer().getBoundingClientRect();
  return [...map.getContainer().querySelectorAll(".leaflet-control")].map((control) => {
    const box = control.getBoundingClientRect();
    const [x, y] = [corner.x - outer.left, corner.y - outer.top];
    return { left: box.left + x, right: box.right + x, top: box.top + y, bottom: box.bottom + y };
  });
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
