/**
 * What a canvas draws: nodes, some inside of others, and edges between any of them. Pure.
 *
 * Laws:
 * - What a node or an edge means isn't known here, only how large it is.
 */

/** A node to be placed. One that has nodes inside gets its size from them. */
export interface Node<Data> {
  readonly id: string;
  /** The node that it is in. */
  readonly parent?: string;
  readonly width: number;
  readonly height: number;
  /** Of one with nodes inside: the room above them, for its title. */
  readonly head?: number;
  readonly data: Data;
}

/** An edge to be routed. */
export interface Edge<Data> {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The size of what is written at it; none without. */
  readonly label?: { readonly width: number; readonly height: number };
  readonly data: Data;
}

/** Nodes in the order in which they are read: a node comes after the one that it is in. */
export interface Graph<N, E> {
  readonly nodes: readonly Node<N>[];
  readonly edges: readonly Edge<E>[];
}

/** A point, from the upper left corner of the whole. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where a node is, from the upper left corner of the one that it is in. */
export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** Where everything is. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly nodes: ReadonlyMap<string, Box>;
  readonly edges: ReadonlyMap<string, { readonly points: readonly Point[]; readonly label: Point | null }>;
}

/** The path of a line through these points, with round corners, as SVG writes it. */
export function pathThrough(points: readonly Point[], radius = 8): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const parts = [`M${first.x},${first.y}`];
  rest.forEach((point, place) => {
    const next = rest[place + 1];
    const before = place === 0 ? first : rest[place - 1];
    if (next === undefined || before === undefined) return parts.push(`L${point.x},${point.y}`);
    const [into, out] = [towards(point, before, radius), towards(point, next, radius)];
    return parts.push(`L${into.x},${into.y}`, `Q${point.x},${point.y} ${out.x},${out.y}`);
  });
  return parts.join("");
}

/** The point that is `distance` away from a corner, at most half way to the next. */
function towards(corner: Point, next: Point, distance: number): Point {
  const [dx, dy] = [next.x - corner.x, next.y - corner.y];
  const length = Math.hypot(dx, dy);
  if (length === 0) return corner;
  const share = Math.min(distance, length / 2) / length;
  return { x: corner.x + dx * share, y: corner.y + dy * share };
}
