/** The canvas, loaded when the first one is shown: the library behind it is large. */

import { lazy, Suspense } from "react";
import { Boundary } from "../ui/boundary.tsx";
import { Skeleton } from "../ui/notice.tsx";
import type { BoardProps } from "./board.tsx";

/** Loads it. */
export const loadBoard = () => import("./board.tsx");
const Loaded = lazy(loadBoard);

/** The canvas. */
export function Board(props: BoardProps) {
  return (
    <Boundary>
      <Suspense fallback={<Skeleton label="Loading the canvas" lines={6} />}>
        <Loaded {...props} />
      </Suspense>
    </Boundary>
  );
}
