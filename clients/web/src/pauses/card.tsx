/**
 * The card of a question: what is asked, by when, the way to answer, and later who decided what.
 *
 * Laws:
 * - It stays where it is. The form in it is there while the question waits and while an answer is under way, so that
 *   nothing that was written is lost where it is refused.
 * - Whatever the server refuses is told on the card it was about.
 */

import { useEffect, type ReactNode } from "react";
import { isFinal, mayDecide, whyNotAsked, type DecisionView } from "@interlock/client";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import { answerableIn } from "./answerable.ts";
import { isFromElsewhere, useAnswer, wasShown } from "./answers.ts";
import { Attending, Claimed, useClaim } from "./attending.tsx";
import { Behalf } from "./behalf.tsx";
import { ConfirmationForm } from "./confirmation.tsx";
import { Due } from "./due.tsx";
import { ErrorForm, Failed } from "./error.tsx";
import { HaltForm, isHalt } from "./halt.tsx";
import { ICONS } from "./icons.ts";
import { InputForm } from "./input.tsx";
import { messageOf } from "./message.ts";
import { InteractionForm } from "./interaction.tsx";
import { useFocusKept } from "./focus-kept.ts";
import { Refusal } from "./refusal.tsx";
import { Resolved, Withdrawn } from "./resolved.tsx";
import { AnswerOnItsWay } from "./outgoing.tsx";
import { ReviewForm } from "./review.tsx";
import { RouteForm } from "./route.tsx";
import { useScene } from "./run-context.ts";
import { Countdown } from "./countdown.tsx";
import { SignalForm } from "./signal.tsx";
import { Subject } from "./subject.tsx";
import { ToolsForm } from "./tools.tsx";
import { Unsent } from "./unsent.tsx";
import { hasResponded, Votes, votesIn, WHY } from "./votes.tsx";
import { WidgetForm } from "./widget.tsx";
import { ASKS } from "./words.ts";
import type { Question } from "./history.ts";

/** The card of one question; `saidAbove` is what stands right above it already, and isn't shown twice. */
export function PauseCard({ question, saidAbove }: { question: Question; saidAbove?: string }) {
  const { view, decisions, pending, userId, scopes, namespaces, groups, isReplaying } = useScene();
  const asked = pending.get(question.id) ?? question;
  const { assignees } = asked.requirement;
  const claim = useClaim(asked.requirement.claim);
  const who = { userId, scopes, namespaces, groups };
  const votes = votesIn(asked);
  const isNamed = mayDecide(who, view.userId, assignees, view.namespace) !== false;
  const why = whyNotAsked(who, { ...question.requirement, ...votes }, view.userId);
  const isFree = claim === null || claim.by === userId;
  const may = isNamed && why === null && isFree;
  const names = votes?.voters ?? assignees ?? [];
  const waits = pending.has(question.id);
  const found = decisions.get(question.id) ?? [];
  const mine = useAnswer(question.id);
  const isTools = question.kind === "executor_input";
  useEffect(() => {
    // While the past is still coming, what waits then may have been decided long ago.
    if (waits && !isReplaying) wasShown(question.id);
  }, [waits, isReplaying, question.id]);
  // What was answered here is open until the server says more: it doesn't wait any more, and isn't decided yet.
  const isUnderWay = found.length === 0 && !isFinal(view.status) && (mine !== undefined || isTools);
  const isOpen = waits || isUnderWay;
  const phase = isOpen ? "open" : found.length > 0 ? "decided" : "withdrawn";
  const focus = useFocusKept(question.id, isOpen);
  return (
    <section
      {...focus}
      className={`card ${phase}`}
      aria-label={`${labelOf(phase)}: ${ASKS[question.kind]}, ${question.requirement.step_name}`}
    >
      <Head question={question} assignees={assignees} isOpen={isOpen} isSaidAbove={saidAbove === messageOf(question)} />
      {isOpen && claim && <Claimed claim={claim} />}
      {isOpen && <Subject question={question} />}
      {(isOpen || isTools) &&
        (may || !isOpen || question.kind === "signal" ? (
          <Body
            question={question}
            may={may}
            isBusy={mine?.phase === "sending" || (mine?.phase === "sent" && !hasResponded(votes, userId))}
          />
        ) : (
          <>
            <ForOthers question={question} why={isNamed ? why : null} isFree={isFree} />
            {isFree && scopes.includes("admin") && names.length > 0 && (
              <Behalf names={names}>
                <Body question={question} may isBusy={mine?.phase === "sending"} />
              </Behalf>
            )}
          </>
        ))}
      {waits && <Attending question={question} claim={claim} may={may} />}
      {isOpen && votes && <Votes votes={votes} kind={question.kind} userId={userId} />}
      {!isOpen && question.kind === "error_decision" && <Failed {...question.requirement} />}
      <CameToThis question={question} found={found} isOpen={isOpen} />
      <AnswerOnItsWay ids={answerableIn(question)} />
    </section>
  );
}

/** What became of a question, and of what was written as an answer to it. */
function CameToThis({
  question,
  found,
  isOpen,
}: {
  question: Question;
  found: readonly DecisionView[];
  isOpen: boolean;
}) {
  return (
    <>
      {question.kind !== "executor_input" && found.length > 0 && <Decisions question={question} found={found} />}
      {!isOpen && found.length === 0 && <Withdrawn />}
      <Refusal id={question.id} kind={question.kind} isOver={!isOpen} />
      {!isOpen && <Unsent ids={answerableIn(question)} />}
    </>
  );
}

function labelOf(phase: string): string {
  return phase === "open" ? "Waiting" : phase === "decided" ? "Decided" : "Withdrawn";
}

function Head(props: {
  question: Question;
  assignees: readonly string[] | undefined;
  isOpen: boolean;
  isSaidAbove: boolean;
}) {
  const { question, assignees, isOpen, isSaidAbove } = props;
  const Icon = ICONS[question.kind];
  const { requirement } = question;
  return (
    <header className="card-head">
      <Icon size={18} aria-hidden />
      <div className="card-title">
        <h3 className={isSaidAbove ? "unseen" : ""}>{messageOf(question)}</h3>
        <p className="hint">
          {ASKS[question.kind]} · <span className="name">{requirement.step_name}</span>
          <For assignees={assignees} />
        </p>
      </div>
      {isOpen && requirement.due_at && <Due at={requirement.due_at} />}
      {isOpen && requirement.timeout_at && <Countdown at={requirement.timeout_at} then={requirement.on_timeout} />}
    </header>
  );
}

function For({ assignees }: { assignees: readonly string[] | undefined }): ReactNode {
  const { userId } = useScene();
  if (!assignees || assignees.length === 0) return null;
  const names = assignees.map((name) => (name === userId ? "you" : name.replace(/^group:/, "the group ")));
  return <> · for {names.join(", ")}</>;
}

/** What those see who may not answer. */
function ForOthers(props: { question: Question; why: ReturnType<typeof whyNotAsked>; isFree: boolean }) {
  const { question, why, isFree } = props;
  const output =
    question.kind === "error_decision" ? question.requirement.error_message : question.requirement.step_output;
  return (
    <>
      {question.kind === "executor_input" && <ToolsForm question={question} may={false} />}
      {output !== undefined && <Folded text={textOfValue(output)} what="output" />}
      {isFree && <p className="hint">{why === null ? "You can see this, and others decide it." : WHY[why]}</p>}
    </>
  );
}

function Body({ question, may, isBusy }: { question: Question; may: boolean; isBusy: boolean }) {
  switch (question.kind) {
    case "confirmation":
      return <ConfirmationForm question={question} isBusy={isBusy} />;
    case "user_input":
      return isHalt(question) ? (
        <HaltForm question={question} isBusy={isBusy} />
      ) : (
        <InputForm question={question} isBusy={isBusy} />
      );
    case "route_selection":
      return <RouteForm question={question} isBusy={isBusy} />;
    case "output_review":
    case "iteration_review":
      return <ReviewForm question={question} isBusy={isBusy} />;
    case "executor_input":
      return <ToolsForm question={question} may={may} />;
    case "error_decision":
      return <ErrorForm question={question} isBusy={isBusy} />;
    case "response":
      return <InteractionForm question={question} isBusy={isBusy} />;
    case "interaction":
      return <WidgetForm question={question} isBusy={isBusy} />;
    case "signal":
      return <SignalForm question={question} may={may} />;
  }
}

function Decisions({ question, found }: { question: Question; found: readonly DecisionView[] }) {
  const last = found.at(-1);
  return last ? <Resolved decision={last} question={question} isElsewhere={isFromElsewhere(question.id)} /> : null;
}
