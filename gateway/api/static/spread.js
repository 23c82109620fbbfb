// Places things on the map so that none hides another. Pure: pixels in, pixels out.

const ROUNDS = 80;
const PULL = 0.04; // towards the true place, in each round

// Where markers stand that would overlap. `points` have x and y; returns {x, y} of each, at least about `distance` apart.
export function spread(points, distance) {
  const places = points.map(({ x, y }) => ({ x, y }));
  for (let round = 0; round < ROUNDS; round += 1) {
    let moved = false;
    for (let i = 0; i < places.length; i += 1) {
      for (let j = i + 1; j < places.length; j += 1) {
        const [a, b] = [places[i], places[j]];
        let [dx, dy] = [b.x - a.x, b.y - a.y];
        if (Math.abs(dx) >= distance || Math.abs(dy) >= distance) continue;
        let gap = Math.hypot(dx, dy);
        if (gap >= distance) continue;
        if (gap < 0.01) [dx, dy, gap] = [Math.cos(i + 2 * j), Math.sin(i + 2 * j), 1]; // the same place
        const push = (distance - gap) / 2 / gap;
        a.x -= dx * push;
        a.y -= dy * push;
        b.x += dx * push;
        b.y += dy * push;
        moved = true;
      }
    }
    if (!moved) break;
    if (round < ROUNDS - 20) places.forEach((place, i) => pull(place, points[i]));
  }
  return places;
}

function pull(place, point) {
  place.x += (point.x - place.x) * PULL;
  place.y += (point.y - place.y) * PULL;
}

// Groups of points too dense to spread: lists of indexes. A point that has room is alone in its group.
export function cluster(points, distance, most) {
  const groups = [];
  const free = new Set(points.keys());
  for (const first of points.keys()) {
    if (!free.delete(first)) continue;
    const group = [first];
    const near = [...free].filter((i) => Math.hypot(points[i].x - points[first].x, points[i].y - points[first].y) < distance);
    if (near.length + 1 > most) near.forEach((i) => free.delete(i) && group.push(i));
    groups.push(group);
  }
  return groups;
}

// Where names stand: a list of {x, y} (the middle) or null for a name without room. `labels` have points [{x, y}], width
// and height, and are in order of importance; `isFixed`: the name stands on one of its points. `boxes` are taken and `frame` is the visible part: {left, top, right, bottom}.
export function placeLabels(labels, boxes, frame) {
  const taken = [...boxes];
  const overlaps = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return labels.map(({ points, width, height, isFixed }) => {
    for (const { x, y } of points) {
      for (const [dx, dy] of isFixed ? [[0, 0]] : offsetsOf(width, height)) {
        const box = { left: x + dx - width / 2, right: x + dx + width / 2, top: y + dy - height / 2, bottom: y + dy + height / 2 };
        const isInside = box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
        if (!isInside || taken.some((other) => overlaps(box, other))) continue;
        taken.push(box);
        return { x: x + dx, y: y + dy };
      }
    }
    return null;
  });
}

// From the point itself outwards: close by, then past a marker that stands there.
function offsetsOf(width, height) {
  const offsets = [[0, 0]];
  for (const gap of [2, 14, 24, 36]) {
    const [side, step] = [width / 2 + gap, height / 2 + gap];
    offsets.push([0, -step], [0, step], [side, 0], [-side, 0], [side, -step], [side, step], [-side, -step], [-side, step]);
  }
  return offsets;
}
