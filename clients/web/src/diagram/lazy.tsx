/** The canvas, loaded when the first diagram is shown: the libraries behind it are large. */

import { lazy, Suspense, type ComponentType } from "react";
import { Boundary } from "../ui/boundary.tsx";
import { Skeleton } from "../ui/notice.tsx";
import type { CanvasProps } from "./canvas.tsx";

/** Loads it. */
export const loadCanvas = () => import("./canvas.tsx");
const Loaded = lazy(loadCanvas);

/** A graph, drawn. */
export function Canvas<N extends object>(props: CanvasProps<N>) {
  const Drawn = Loaded as unknown as ComponentType<CanvasProps<N>>;
  return (
    <Boundary>
      <Suspense fallback={<Skeleton label="Loading the diagram" lines={4} />}>
        <Drawn {...props} />
      </Suspense>
    </Boundary>
  );
}
