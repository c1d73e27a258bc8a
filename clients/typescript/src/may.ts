/**
 * Who may answer a requirement, as far as a client can tell.
 *
 * Laws:
 * - Pure. The server alone decides, and refuses with `forbidden`; this spares people a form that would be refused.
 * - Where a group is named, and an older server doesn't say which the user is in, nothing is known.
 * - An admin decides what names others only on behalf of one of them: by themselves, they may not.
 *
 * Source: docs/settings.md, "Tokens and scopes".
 */

import type { Identity } from "./connection.js";
import type { StepRequirement } from "./protocol.js";

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
  const isNamed = named(identity, assignees);
  if (scopes.includes("admin")) return isNamed;
  const isAtHome = namespaces.includes("*") || (namespace !== null && namespaces.includes(namespace));
  const isOwner = isAtHome || (owner === null ? null : owner === userId);
  const asOwner = scopes.includes("workflows:execute") ? isOwner : false;
  if (assignees === undefined || assignees.length === 0) return asOwner;
  const asAssignee = scopes.includes("workflows:decide") || asOwner;
  return asAssignee === false || isNamed === true ? asAssignee : isNamed;
}

/** Whether a user is among those who are named; everybody is where nobody is. */
function named(
  identity: Pick<Identity, "userId"> & Partial<Identity>,
  assignees: readonly string[] = [],
): boolean | null {
  const { userId, groups = null } = identity;
  if (assignees.length === 0 || (userId !== null && assignees.includes(userId))) return true;
  const theirs = assignees.filter((name) => name.startsWith(GROUP)).map((name) => name.slice(GROUP.length));
  if (groups === null) return theirs.length > 0 ? null : false;
  return theirs.some((group) => groups.includes(group));
}

/** Why this client's user can't respond to what several decide; null if they can, or only the server knows. */
export function whyNotAsked(
  identity: Pick<Identity, "userId"> & Partial<Identity>,
  asked: Pick<StepRequirement, "policy" | "voters" | "responses" | "exclude_starter">,
  owner: string | null,
): "not_asked" | "not_your_turn" | "self_approval" | null {
  const { userId } = identity;
  if (userId === null) return null;
  if (asked.exclude_starter && owner === userId) return "self_approval";
  const { voters, responses = [], policy } = asked;
  if (voters === undefined) return null;
  if (policy?.type !== "chain") return voters.includes(userId) ? null : "not_asked";
  if (responses.some((each) => (each.on_behalf_of ?? each.by) === userId)) return null;
  const open = voters.filter((voter) => !responses.some((each) => each.voter === voter));
  const [next] = open;
  if (next !== undefined && named(identity, [next]) !== false) return null;
  return open.some((each) => named(identity, [each]) !== false) ? "not_your_turn" : "not_asked";
}
