/**
 * One item of the inbox: a line that says what is asked, about what and by when, and below it, where it is open, the card.
 *
 * Laws:
 * - Whoever decides an open item goes on with the next; whoever is somewhere else by then stays there.
 */

import { createElement, useEffect, useRef } from "react";
import { ChevronDown, ChevronRight, Flame, UserCheck, Users } from "lucide-react";
import { Link } from "wouter";
import type { RequirementClaim } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { useClaim } from "../pauses/attending.tsx";
import { PauseCard } from "../pauses/card.tsx";
import { useTaken } from "../pauses/answers.ts";
import { answerableIn } from "../pauses/answerable.ts";
import type { Question } from "../pauses/history.ts";
import { iconOf } from "../pauses/icons.ts";
import { useScene } from "../pauses/run-context.ts";
import { RunStage } from "../pauses/stage.tsx";
import { rule } from "../pauses/votes.tsx";
import { asksOf } from "../pauses/words.ts";
import { RunFault } from "../run/fault.tsx";
import { pathOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Checkbox } from "../ui/fields.tsx";
import { leftOf, timeOf } from "../ui/format.ts";
import { Skeleton } from "../ui/notice.tsx";
import { Ago, useServerNow } from "../ui/time.tsx";
import type { Choosable } from "./bulk.tsx";
import type { InboxItem } from "./items.ts";

/** What an `Item` takes. */
export interface ItemProps {
  choosable: Choosable;
  isOpen: boolean;
  /** Whether it waits still. */
  waits: boolean;
  isChosen: boolean;
  canChoose: boolean;
  onToggle: () => void;
  onChoose: (is: boolean) => void;
  /** It was decided here, and the person is still at it. */
  onDecided: () => void;
}

/** An item. */
export function Item(props: ItemProps) {
  const { choosable, isOpen, waits, isChosen, canChoose, onToggle, onChoose, onDecided } = props;
  const { item } = choosable;
  const Chevron = isOpen ? ChevronDown : ChevronRight;
  const self = useRef<HTMLLIElement>(null);
  const decided = () => {
    const active = document.activeElement;
    if (active === null || active === document.body || self.current?.contains(active) === true) onDecided();
  };
  return (
    <li
      ref={self}
      className={`inbox-item${isOpen ? " open" : ""}${waits ? "" : " over"}`}
      data-item={item.interaction_id}
    >
      <div className="inbox-line">
        <span className="inbox-check">
          {canChoose && (
            <Checkbox isSelected={isChosen} onChange={onChoose}>
              <span className="unseen">Select {item.message}</span>
            </Checkbox>
          )}
        </span>
        <h2>
          <Button tone="quiet" aria-expanded={isOpen} onPress={onToggle}>
            <Chevron size={16} aria-hidden className="inbox-chevron" />
            <span className="inbox-sign">{createElement(iconOf(item.kind), { size: 16, "aria-hidden": true })}</span>
            <span className="inbox-title">
              <strong>{item.message}</strong>
              {item.subject !== "" && !isOpen && <span className="inbox-subject">{item.subject}</span>}
              {!isOpen && (
                <span className="hint">
                  {asksOf(item.kind)} · {item.step_name}
                </span>
              )}
            </span>
          </Button>
        </h2>
        <Facts {...choosable} isOpen={isOpen} />
      </div>
      {isOpen && (
        <RunStage runId={item.run_id} workflowId={item.workflow_id}>
          {({ error, view }) =>
            error && view.lastIndex === null ? (
              <RunFault error={error} />
            ) : (
              <OneCard item={item} id={choosable.waits.pending.id} onDecided={decided} />
            )
          }
        </RunStage>
      )}
    </li>
  );
}

function Facts({ item, waits: { run }, isOpen }: Choosable & { isOpen: boolean }) {
  const { nameOf } = useWorkflows();
  return (
    <span className="inbox-facts">
      {(item.priority === "urgent" || item.priority === "high") && (
        <span className={`badge ${item.priority === "urgent" ? "bad" : "ask"}`}>
          <Flame size={12} aria-hidden /> {item.priority === "urgent" ? "Urgent" : "High priority"}
        </span>
      )}
      {item.claim && <On claim={item.claim} />}
      {item.policy && (
        <span className="badge">
          <Users size={12} aria-hidden /> {rule(item.policy)}
        </span>
      )}
      {item.deadline !== null && !isOpen && <Left at={item.deadline} />}
      <span className="hint inbox-whose">
        <Link href={pathOf({ runId: run.run_id, workflowId: run.workflow_id })} className="link">
          {nameOf(run.workflow_id)}
        </Link>
        <span>from {run.user_id}</span>
        <Ago at={run.updated_at} />
      </span>
    </span>
  );
}

function On({ claim: said }: { claim: RequirementClaim }) {
  const { userId } = useInterlock().connection;
  const claim = useClaim(said);
  if (claim === null) return null;
  return (
    <span className="badge busy-still" title={`Until ${timeOf(claim.until)}`}>
      <UserCheck size={12} aria-hidden /> {claim.by === userId ? "You are on it" : `${claim.by} is on it`}
    </span>
  );
}

function OneCard({ item, id, onDecided }: { item: InboxItem; id: string; onDecided: () => void }) {
  const question = useScene().past.questions.get(id);
  if (question === undefined) return <Skeleton label="Loading the question" />;
  return <Decidable question={question} saidAbove={item.message} onDecided={onDecided} />;
}

function Decidable(props: { question: Question; saidAbove: string; onDecided: () => void }) {
  const { question, saidAbove, onDecided } = props;
  const { pending } = useScene();
  const isTaken = useTaken(answerableIn(question)) && !pending.has(question.id);
  const hasVoted = useTaken([question.id]);
  const isDone = isTaken || hasVoted;
  const was = useRef(isDone);
  const tell = useRef(onDecided);
  useEffect(() => {
    tell.current = onDecided;
  });
  useEffect(() => {
    if (isDone && !was.current) tell.current();
    was.current = isDone;
  }, [isDone]);
  return <PauseCard question={question} saidAbove={saidAbove} />;
}

/** Less than this, and it has to be done now. */
const SOON_MS = 60 * 60 * 1000;

function Left({ at }: { at: number }) {
  const left = at - useServerNow();
  if (left <= 0) return <span className="countdown soon">overdue</span>;
  return <span className={left < SOON_MS ? "countdown soon" : "countdown"}>{leftOf(left)} left</span>;
}
