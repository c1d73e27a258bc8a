/**
 * React hooks on the client: `<InterlockProvider client={client}>` around the page, and then `useRun(runId)`,
 * `usePending()`, `useRuns(filter)` and `useInterlock()`.
 *
 * @packageDocumentation
 */

export { InterlockProvider, type InterlockProviderProps } from "./provider.js";
export { useInterlock, type UseInterlock } from "./useInterlock.js";
export { useRun, type UseRun } from "./useRun.js";
export { usePending, useRuns, type UsePending } from "./useRuns.js";
