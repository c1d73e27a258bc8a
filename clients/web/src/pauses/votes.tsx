/** Who has responded to what several decide, and what is still needed. */

import type { Pending, PauseKind, RequirementPolicy, RequirementResponse, whyNotAsked } from "@interlock/client";
import { Time } from "../ui/time.tsx";
import type { Question } from "./history.ts";
import { decisionOf } from "./words.ts";

/** What a requirement says of those who decide it together. */
export interface AskedTogether {
  readonly policy?: RequirementPolicy;
  readonly voters: string[];
  readonly needed: number;
  readonly responses: RequirementResponse[];
}

/** Why somebody who is named can't respond all the same. */
export const WHY: Record<NonNullable<ReturnType<typeof whyNotAsked>>, string> = {
  not_asked: "You can see this. You weren’t among those who were asked when it came up.",
  not_your_turn: "You can see this. It isn’t your turn yet: somebody before you is to respond first.",
  self_approval: "You can see this. You started this run, so somebody else has to decide it.",
};

/** The votes of what waits; null where one person decides. */
export function votesIn(asked: Pending | Question): AskedTogether | null {
  if (asked.kind === "error_decision" || asked.requirement.voters === undefined) return null;
  const { policy, voters, needed = 0, responses = [] } = asked.requirement;
  return { ...(policy && { policy }), voters, needed, responses };
}

/** Whether a user's response is among these. */
export function hasResponded(votes: AskedTogether | null, userId: string | null): boolean {
  return votes?.responses.some((each) => (each.on_behalf_of ?? each.by) === userId) ?? false;
}

/** The responses so far, and how many more are needed. */
export function Votes(props: { votes: AskedTogether; kind: PauseKind; userId: string | null }) {
  const { votes, kind, userId } = props;
  const { responses, voters, needed, policy } = votes;
  return (
    <div className="stack votes">
      <p className="hint" role="status">
        {responses.length} of {voters.length} have responded · at least {needed} more {needed === 1 ? "is" : "are"}{" "}
        needed{policy && ` · ${rule(policy)}`}
      </p>
      {responses.length > 0 && (
        <ul className="plain">
          {responses.map((each) => (
            <li key={each.voter}>
              <strong>{nameOf(each, userId)}</strong>: {decisionOf(each.decision ?? {}, kind)}
              {each.on_behalf_of !== undefined && ` by ${each.by} (${each.reason ?? ""})`} · <Time at={each.at} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function nameOf(response: RequirementResponse, userId: string | null): string {
  const person = response.on_behalf_of ?? response.by;
  return person === userId ? "You" : person;
}

/** What a policy asks for, in words. */
export function rule(policy: RequirementPolicy): string {
  switch (policy.type) {
    case "quorum":
      return `${policy.n ?? 1} have to agree`;
    case "majority":
      return "more than half have to agree";
    case "unanimous":
      return "all have to agree";
    case "all_members":
      return "everybody has to respond";
    case "chain":
      return "one after the other";
    default:
      return "the first response decides";
  }
}
