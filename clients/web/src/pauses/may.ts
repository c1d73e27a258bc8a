/**
 * Whether somebody may decide, as far as this page can tell. Pure.
 *
 * Laws:
 * - It spares people a form that the server would refuse. The server alone knows groups: where one is named, it is asked.
 */

/** Who looks at a run. */
export interface Looker {
  readonly userId: string | null;
  readonly isAdmin: boolean;
}

/** Whether to offer the form. `assignees` are user ids, or `group:NAME`; without any, it is for the run's `owner`. */
export function mayDecide(assignees: readonly string[] | undefined, owner: string | null, looker: Looker): boolean {
  const { userId, isAdmin } = looker;
  if (isAdmin || userId === null) return true;
  if (assignees === undefined || assignees.length === 0) return owner === null || owner === userId;
  return assignees.some((name) => name === userId || name.startsWith("group:"));
}
