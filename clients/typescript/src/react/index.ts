/**
 * React hooks on the client: `<InterlockProvider client={client}>` around the page, and then `useRun(runId)`,
 * `usePending()`, `useRuns(filter)`, `useInbox()`, `useInteraction(id)` and `useInterlock()`; `<WorkflowForm>`, what a state machine asks, and
 * `<WidgetRenderer>`, what is shown by a bundle of one's own.
 *
 * @packageDocumentation
 */

export type { FormDraft } from "./formDraft.js";
export type { FormFiles } from "./formFiles.js";
export type { FormClassNames, FormPart } from "./formStyle.js";
export { InterlockProvider, type InterlockProviderProps } from "./provider.js";
export { useInbox, useInteraction, type UseInteraction } from "./useInbox.js";
export { useInterlock, type UseInterlock } from "./useInterlock.js";
export { useRun, type UseRun } from "./useRun.js";
export { usePending, useRuns, type UsePending } from "./useRuns.js";
export { WorkflowForm, type WorkflowFormProps } from "./workflowForm.js";
export { WidgetRenderer, type WidgetRendererProps } from "./widgetRenderer.js";
