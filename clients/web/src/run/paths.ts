/** Addresses in this app. Pure. */

/** Stands in an address for the workflow of a run, where that isn't known: the run itself says it. */
export const ANY_WORKFLOW = "-";

interface Which {
  workflowId: string | null;
  runId: string;
}

/** The page of a run. */
export function pathOf({ workflowId, runId }: Which): string {
  return `/runs/${encodeURIComponent(workflowId ?? ANY_WORKFLOW)}/${encodeURIComponent(runId)}`;
}

/** The chat about a run. */
export function chatOf({ workflowId, runId }: Which): string {
  return `/chat/${encodeURIComponent(workflowId ?? ANY_WORKFLOW)}/${encodeURIComponent(runId)}`;
}

/** A part of an address as it was before `encodeURIComponent`: the router leaves `:`, `?` and the like encoded. */
export function partOf(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // what the router decoded already, such as `100%`
  }
}
