/** Forms, loaded when the first one is needed: the library behind them is large. */

import { lazy, Suspense } from "react";
import { Skeleton } from "../ui/notice.tsx";
import type { JsonFormProps } from "./json-form.tsx";
import type { ValueFormProps } from "./value-form.tsx";

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

const LoadedValues = lazy(() => import("./value-form.tsx"));

/** The fields of a JSON Schema, as parts of a larger form. */
export function ValueForm(props: ValueFormProps) {
  return (
    <Suspense fallback={<Skeleton label="Loading the fields" lines={1} />}>
      <LoadedValues {...props} />
    </Suspense>
  );
}
