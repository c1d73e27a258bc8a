/**
 * Whether somebody may decide, as far as this page can tell. Pure.
 *
 * Laws:
 * - It spares people a form that the server would refuse. The server alone knows groups: where one is named, it is asked.
 */

/** Whether to offer the form. `assignees` are user ids, or `group:NAME`. */
export function mayDecide(assignees: readonly string[] | undefined, userId: string | null, isAdmin: boolean): boolean {
  if (isAdmin || userId === null || assignees === undefined || assignees.length === 0) return true;
  return assignees.some((name) => name === userId || name.startsWith("group:"));
}
