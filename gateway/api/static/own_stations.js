// The stations that a reader marked with a star. They stay in this browser and are sent nowhere.
const KEY = "piekwacht.stations";

export function readOwnStations() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string").slice(0, 20) : [];
  } catch {
    return []; // storage is off, or another program wrote there
  }
}

export function toggleOwnStation(id) {
  const ids = readOwnStations();
  const next = ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id].slice(-20);
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    return ids;
  }
  return next;
}

export function bindStar(button) {
  const show = (ids) => {
    const isOwn = ids.includes(button.dataset.station);
    button.setAttribute("aria-pressed", String(isOwn));
    button.textContent = isOwn ? "★" : "☆";
  };
  show(readOwnStations());
  button.addEventListener("click", () => show(toggleOwnStation(button.dataset.station)));
}
