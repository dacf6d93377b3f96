import type { Position } from './messages.ts';

/** Where every walk begins and ends. */
export const depotPosition: Position = { x: 0, y: 0 };

/** Metres: a shorter gain than a millimetre is rounding, and rounding could go round in circles. */
const leastGainMetres = 0.001;

export interface Place {
  readonly id: string;
  readonly position: Position;
}

export interface Route<P extends Place> {
  readonly stops: readonly P[];
  /** From the depot through all stops and back. */
  readonly metres: number;
}

const distance = (a: Position, b: Position): number => Math.hypot(a.x - b.x, a.y - b.y);

/** Metres of the walk from the depot through `stops` in their order and back. */
export function walkMetres(stops: readonly Place[]): number {
  const points = [depotPosition, ...stops.map(({ position }) => position), depotPosition];
  return points.slice(1).reduce((sum, point, i) => sum + distance(points[i]!, point), 0);
}

/**
 * A short walk through `places`: always the nearest next, then crossings undone (2-opt) until none is left. Within a few percent of the
 * shortest for the handful of stores of an order, where an exact search would cost n! for nothing. The same places give the same
 * route, whatever order they come in.
 */
export function planRoute<P extends Place>(places: readonly P[]): Route<P> {
  const stops = uncross(nearestNext(places));
  return { stops, metres: walkMetres(stops) };
}

function nearestNext<P extends Place>(places: readonly P[]): P[] {
  const left = places.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const stops: P[] = [];
  let here = depotPosition;
  while (left.length > 0) {
    let nearest = 0;
    for (let i = 1; i < left.length; i++) {
      if (distance(here, left[i]!.position) < distance(here, left[nearest]!.position)) nearest = i;
    }
    const [next] = left.splice(nearest, 1);
    stops.push(next!);
    here = next!.position;
  }
  return stops;
}

/** Never longer than `stops`. Ends because each turn shortens the walk by at least `leastGainMetres`. */
export function uncross<P extends Place>(stops: readonly P[]): P[] {
  const walk = [...stops];
  const at = (i: number): Position => walk[i]?.position ?? depotPosition;
  let improved = true;
  while (improved) {
    improved = false;
    for (let from = 0; from < walk.length - 1; from++) {
      for (let to = from + 1; to < walk.length; to++) {
        const before = distance(at(from - 1), at(from)) + distance(at(to), at(to + 1));
        const after = distance(at(from - 1), at(to)) + distance(at(from), at(to + 1));
        if (before - after < leastGainMetres) continue;
        walk.splice(from, to - from + 1, ...walk.slice(from, to + 1).reverse());
        improved = true;
      }
    }
  }
  return walk;
}
