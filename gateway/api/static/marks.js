// Preliminary marks: possible beginnings of peaks, with their confidence. They are never announced: they may be nothing.
import { element } from "./figures.js";

// Marks by station, the most certain first.
export function groupByStation(marks) {
  const byStation = new Map();
  for (const mark of [...marks].sort((a, b) => b.confidence - a.confidence)) {
    if (!byStation.has(mark.station)) byStation.set(mark.station, []);
    byStation.get(mark.station).push(mark);
  }
  return byStation;
}

// `texts` has {property}, {time} and {percent}; a share in steps of five, as it is no more exact.
export function describeMark(mark, { boot, format }) {
  const percent = Math.max(5, Math.min(95, 5 * Math.round(20 * mark.confidence)));
  const values = { property: boot.names[mark.observedProperty] ?? mark.observedProperty, time: format.timeOfDay(mark.since), percent };
  return boot.words.possible_peak.replace(/\{(\w+)\}/g, (_match, name) => values[name] ?? "");
}

// Fills a list with a line per mark, and hides it without marks. `stationName` null: the page is about one station.
export function fillMarkList(list, marks, tools, stationName = null) {
  list.hidden = marks.length === 0;
  list.replaceChildren(...marks.map((mark) => {
    const text = describeMark(mark, tools);
    if (!stationName) return element("li", { textContent: text });
    const link = element("a", { href: `${tools.boot.home}stations/${encodeURIComponent(mark.station)}`, textContent: stationName(mark) });
    return element("li", {}, link, element("span", { textContent: text }));
  }));
}
