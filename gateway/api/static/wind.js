// Wind on the map: a vane at each station that measures it, a mean of the area, and where the air of a plume goes.
import { element } from "./figures.js";

const CALM = 0.3; // m/s; below it a vane does not move (gateway/api/data/area_wind.py)
const MINUTES = 15; // the sector shows where the air goes in this time
const METRES_PER_DEGREE = 111_195;
const [NEAREST, FARTHEST] = [700, 8_000]; // m, of the sector
const [NARROWEST, WIDEST] = [22.5, 60]; // degrees to each side

const radians = (degrees) => (degrees * Math.PI) / 180;

// {direction, speed} of a station's newest minute, direction null in a calm; null without a fresh measurement.
export function stationWind(newest, hasNoData) {
  const { wind_direction: direction, wind_speed: speed } = newest;
  if (hasNoData(direction) || hasNoData(speed) || direction.mean === null || speed.mean === null) return null;
  return { direction: speed.mean < CALM ? null : direction.mean, speed: speed.mean };
}

// The vector mean of winds; null without one.
export function meanWind(winds) {
  if (!winds.length) return null;
  let [east, north] = [0, 0];
  for (const { direction, speed } of winds) {
    if (direction === null) continue;
    east += (speed * Math.sin(radians(direction))) / winds.length;
    north += (speed * Math.cos(radians(direction))) / winds.length;
  }
  const speed = Math.hypot(east, north);
  return { speed, direction: speed < CALM ? null : ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360 };
}

export function describeWind({ direction, speed }, texts, number) {
  if (direction === null) return texts.calm;
  return texts.from.replace("{where}", texts.directions[Math.round(direction / 45) % 8]).replace("{speed}", number(speed));
}

// An arrow that points to where the air goes.
export function arrow(direction, className) {
  const pointer = element("i", { className });
  pointer.style.transform = `rotate(${Math.round(direction + 180) % 360}deg)`;
  return pointer;
}

// Corners of the sector in which the air of a peak goes on from its station; [] without a wind.
export function downwindSector([longitude, latitude], wind, spread = NARROWEST) {
  if (!wind || wind.direction === null || wind.speed < CALM) return [];
  const reach = Math.min(FARTHEST, Math.max(NEAREST, wind.speed * 60 * MINUTES));
  const half = Math.min(WIDEST, Math.max(NARROWEST, spread));
  const corners = [[latitude, longitude]];
  for (let step = 0; step <= 12; step += 1) {
    const bearing = radians(wind.direction + 180 - half + (step / 12) * 2 * half);
    corners.push([
      latitude + (reach * Math.cos(bearing)) / METRES_PER_DEGREE,
      longitude + (reach * Math.sin(bearing)) / METRES_PER_DEGREE / Math.cos(radians(latitude)),
    ]);
  }
  return corners;
}
