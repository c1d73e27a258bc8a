/** The fields that the server says are wrong, where the form library looks for them. Pure. */

import type { FieldFault } from "@interlock/client";

/** Errors by field, in the terms of the form library. */
export interface FieldErrors {
  __errors?: string[];
  [field: string]: FieldErrors | string[] | undefined;
}

/** The faults, each at its field: `address.street`; one without a field is about the whole form. */
export function errorsOf(faults: readonly FieldFault[]): FieldErrors {
  const root: FieldErrors = {};
  for (const { field, error } of faults) {
    let place = root;
    for (const part of field.split(".").filter(Boolean)) {
      // A field may be called `constructor`.
      if (!Object.hasOwn(place, part)) place[part] = {};
      place = place[part] as FieldErrors;
    }
    (place.__errors ??= []).push(error);
  }
  return root;
}
