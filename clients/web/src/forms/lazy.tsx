/** Forms, loaded when the first one is needed: the library behind them is large. */

import { lazy, Suspense } from "react";
import { Skeleton } from "../ui/notice.tsx";
import type { JsonFormProps } from "./json-form.tsx";

/** Loads them. */
export const loadForms = () => import("./json-form.tsx");
const Loaded = lazy(loadForms);

/** A form for a JSON Schema. */
export function JsonForm(props: JsonFormProps) {
  return (
    <Suspense fallback={<Skeleton label="Loading the form" />}>
      <Loaded {...props} />
    </Suspense>
  );
}
