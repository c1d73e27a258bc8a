/**
 * Who is on a question, and the ways to say so: claim it, release it, hand it over to somebody else.
 *
 * Laws:
 * - Nobody has to claim in order to decide. Where somebody else is on it, their name and until when stand on the card.
 * - One's own claim is renewed while its card is on a page that is looked at.
 * - What several decide, nobody claims or hands over.
 */

import { useEffect, useState } from "react";
import { UserCheck, UserRoundPlus } from "lucide-react";
import type { RequirementClaim } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { timeOf } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { useServerNow } from "../ui/time.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { HandOver } from "./hand-over.tsx";
import type { Question } from "./history.ts";
import { useScene } from "./run-context.ts";

/** A claim is renewed when less than this is left of it. */
const RENEW_MS = 5 * 60 * 1000;

/** The claim on a question that counts now. */
export function useClaim(claim: RequirementClaim | undefined): RequirementClaim | null {
  const now = useServerNow();
  return claim !== undefined && claim.until > now ? claim : null;
}

/** Says who is on it; `asked` is the question as it stands now. */
export function Claimed({ claim }: { claim: RequirementClaim }) {
  const { userId } = useScene();
  return (
    <p className="claimed" role="status">
      <UserCheck size={16} aria-hidden />
      <span>
        {claim.by === userId ? "You are" : <strong className="name">{claim.by}</strong>}
        {claim.by === userId ? "" : " is"} on it until {timeOf(claim.until)}
      </span>
    </p>
  );
}

interface AttendingProps {
  question: Question;
  claim: RequirementClaim | null;
  /** Whether whoever looks may decide it. */
  may: boolean;
}

/** The buttons. */
export function Attending({ question, claim, may }: AttendingProps) {
  const { attend, userId, scopes } = useScene();
  const [isHanding, setHanding] = useState(false);
  const { fault, isBusy, run } = useTried();
  const isMine = claim?.by === userId;
  useRenewed(question.id, isMine ? claim.until : null);
  if (!canBeAttended(question)) return null;
  const canTake = may && claim === null;
  const canGive = may && (claim === null || isMine);
  const others = claim !== null && !isMine && scopes.includes("admin") ? claim.by : null;
  const canEnd = isMine || others !== null;
  if (!canTake && !canGive && !canEnd) return null;
  return (
    <>
      <div className="actions attending" role="group" aria-label="Who is on it">
        {canTake && (
          <Button
            small
            tone="quiet"
            data-act="claim"
            isPending={isBusy}
            onPress={() => run(() => attend.claim(question.id))}
          >
            <UserCheck size={14} aria-hidden /> I’m on it
          </Button>
        )}
        {canEnd && (
          <Button
            small
            tone="quiet"
            data-act="release"
            isPending={isBusy}
            onPress={() => run(() => attend.release(question.id))}
          >
            {others === null ? "Release it" : `End the claim of ${others}`}
          </Button>
        )}
        {canGive && (
          <Button small tone="quiet" data-act="delegate" onPress={() => setHanding(true)}>
            <UserRoundPlus size={14} aria-hidden /> Hand over…
          </Button>
        )}
      </div>
      {fault && <Notice tone="fault">{fault}</Notice>}
      <HandOver question={question} isOpen={isHanding} onClose={() => setHanding(false)} />
    </>
  );
}

/** Whether somebody can be on it: not where several decide, and not where a signal is waited for. */
function canBeAttended(question: Question): boolean {
  if (question.kind === "signal") return false;
  return question.kind === "error_decision" || question.requirement.voters === undefined;
}

/** Does something, and keeps why it was refused. */
function useTried() {
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = (act: () => Promise<void>) => {
    setFault(null);
    setBusy(true);
    act()
      .catch((error: unknown) => setFault(errorOf(error).message))
      .finally(() => setBusy(false));
  };
  return { fault, isBusy, run };
}

/** Renews one's own claim before it ends, for as long as the page is looked at. */
function useRenewed(id: string, until: number | null): void {
  const { attend } = useScene();
  const isDue = useServerNow() > (until ?? Infinity) - RENEW_MS;
  useEffect(() => {
    // Where it can't be renewed any more, it ends, and the card says so.
    if (isDue && !document.hidden) attend.claim(id).catch(() => undefined);
  }, [isDue, attend, id, until]);
}
