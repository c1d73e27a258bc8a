/** An edge, along the way that the layout found for it, with what is written at it. */

import { EdgeLabelRenderer } from "@xyflow/react";
import { pathThrough, type Point } from "./graph.ts";

/** How an edge looks. */
export interface EdgeLook extends Record<string, unknown> {
  /** What is written at it; may be shortened. */
  readonly label: string;
  /** The whole of it. */
  readonly title: string;
  /** Classes, for the style sheet. */
  readonly tone: string;
}

/** Draws it. Its arrow is a path of its own, so that it has the colour of the line. */
export function RoutedEdge({ data }: { data?: unknown }) {
  const { points, label, tone, title, text } = data as Route;
  return (
    <>
      <g className={`edge ${tone}`}>
        <path d={pathThrough(shortened(points))} className="edge-line" />
        <path d={arrowAt(points)} className="edge-arrow" />
      </g>
      {label !== null && (
        <EdgeLabelRenderer>
          <div
            className={`edge-label ${tone}`}
            title={title}
            style={{ transform: `translate(-50%, -50%) translate(${label.x}px, ${label.y}px)` }}
          >
            {text}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
}

interface Route {
  points: readonly Point[];
  label: Point | null;
  tone: string;
  title: string;
  text: string;
}

const ARROW = 8;

/** The points up to where the arrow begins. */
function shortened(points: readonly Point[]): Point[] {
  const [before, last] = [points.at(-2), points.at(-1)];
  if (before === undefined || last === undefined) return [...points];
  const length = Math.hypot(last.x - before.x, last.y - before.y) || 1;
  const share = Math.min(1, (ARROW - 1) / length);
  const end = { x: last.x + (before.x - last.x) * share, y: last.y + (before.y - last.y) * share };
  return [...points.slice(0, -1), end];
}

function arrowAt(points: readonly Point[]): string {
  const [before, tip] = [points.at(-2), points.at(-1)];
  if (before === undefined || tip === undefined) return "";
  const length = Math.hypot(tip.x - before.x, tip.y - before.y) || 1;
  const [dx, dy] = [(tip.x - before.x) / length, (tip.y - before.y) / length];
  const base = { x: tip.x - dx * ARROW, y: tip.y - dy * ARROW };
  const wing = ARROW * 0.55;
  return `M${tip.x},${tip.y}L${base.x - dy * wing},${base.y + dx * wing}L${base.x + dy * wing},${base.y - dx * wing}Z`;
}
