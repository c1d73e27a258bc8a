/**
 * Who may answer a requirement, as far as a client can tell.
 *
 * Laws:
 * - Pure. The server alone decides, and refuses with `forbidden`; this spares people a form that would be refused.
 * - The protocol tells a client its user and scopes, and not its groups: where a group is named, nothing is known.
 *
 * Source: docs/settings.md, "Tokens and scopes".
 */

import type { Identity } from "./connection.js";

const GROUP = "group:";

/**
 * Whether this client's user may answer a requirement of a run: `null` where only the server knows.
 *
 * @param identity `Client.connection`.
 * @param owner who started the run: `RunView.userId`, `RunSummary.user_id`; null where that isn't known.
 * @param assignees those whom the requirement names, user ids and `group:NAME`; without any, it is for the owner.
 * @param namespace where the run is: `RunView.namespace`, `RunSummary.namespace`; null where that isn't known.
 */
export function mayDecide(
  identity: Pick<Identity, "userId" | "scopes"> & Partial<Identity>,
  owner: string | null,
  assignees: readonly string[] | undefined,
  namespace: string | null = null,
): boolean | null {
  const { userId, scopes, namespaces = [] } = identity;
  if (userId === null) return null;
  if (scopes.includes("admin")) return true;
  const isAtHome = namespaces.includes("*") || (namespace !== null && namespaces.includes(namespace));
  const isOwner = isAtHome || (owner === null ? null : owner === userId);
  const asOwner = scopes.includes("workflows:execute") ? isOwner : false;
  if (assignees === undefined || assignees.length === 0) return asOwner;
  const asAssignee = scopes.includes("workflows:decide") || asOwner;
  if (asAssignee === false || assignees.includes(userId)) return asAssignee;
  return assignees.some((name) => name.startsWith(GROUP)) ? null : false;
}
