/** What is different in two values, loaded when it is looked at. */

import { lazy, Suspense } from "react";
import type { JsonValue } from "@interlock/client";
import { textOfValue } from "../ui/format.ts";
import { Skeleton } from "../ui/notice.tsx";

/** Loads what compares. */
export const loadDifference = () => import("./difference.tsx");
const Difference = lazy(loadDifference);

/** The difference of two values, as text or as JSON. */
export function Changes({ before, after }: { before: JsonValue | undefined; after: JsonValue | undefined }) {
  return (
    <Suspense fallback={<Skeleton label="Comparing" />}>
      <Difference before={textOfValue(before)} after={textOfValue(after)} />
    </Suspense>
  );
}
