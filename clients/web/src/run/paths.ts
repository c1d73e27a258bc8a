/** Addresses in this app. Pure. */

interface Which {
  workflowId: string | null;
  runId: string;
}

/** The page of a run. */
export function pathOf({ workflowId, runId }: Which): string {
  return `/runs/${encodeURIComponent(workflowId ?? "-")}/${encodeURIComponent(runId)}`;
}

/** The chat about a run. */
export function chatOf({ workflowId, runId }: Which): string {
  return `/chat/${encodeURIComponent(workflowId ?? "-")}/${encodeURIComponent(runId)}`;
}
