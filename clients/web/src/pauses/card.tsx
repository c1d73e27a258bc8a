/**
 * The card of a question: what is asked, by when, the way to answer, and later who decided what.
 *
 * Laws:
 * - It stays where it is. The form in it is there while the question waits and while an answer is under way, so that
 *   nothing that was written is lost where it is refused.
 * - Whatever the server refuses is told on the card it was about.
 */

import { useEffect, type ReactNode } from "react";
import {
  AlertOctagon,
  GitBranch,
  HelpCircle,
  ListChecks,
  MessageCircleQuestion,
  MousePointerClick,
  RadioTower,
  ScanEye,
  Wrench,
  type LucideIcon,
} from "lucide-react";
import { isFinal, mayDecide, whyNotAsked, type DecisionView, type PauseKind } from "@interlock/client";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import { isFromElsewhere, useAnswer, wasShown } from "./answers.ts";
import { Behalf } from "./behalf.tsx";
import { ConfirmationForm } from "./confirmation.tsx";
import { ErrorForm, Failed } from "./error.tsx";
import { HaltForm, isHalt, titleOf } from "./halt.tsx";
import { InputForm } from "./input.tsx";
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

const ICONS: Record<PauseKind, LucideIcon> = {
  confirmation: HelpCircle,
  user_input: ListChecks,
  route_selection: GitBranch,
  output_review: ScanEye,
  iteration_review: ScanEye,
  executor_input: Wrench,
  error_decision: AlertOctagon,
  signal: RadioTower,
  response: MessageCircleQuestion,
  interaction: MousePointerClick,
};

/** What a question says. */
export function messageOf(question: Question): string {
  if (question.kind === "error_decision") return "What is to be done?";
  if (question.kind === "signal") return `Waits for the signal ${question.requirement.topic ?? ""}`;
  if (question.kind === "response")
    return question.requirement.interaction?.title ?? question.requirement.user_input_message ?? DEFAULTS.response;
  if (isHalt(question)) return titleOf(question) ?? "Please answer:";
  const { confirmation_message, user_input_message, output_review_message } = question.requirement;
  return confirmation_message ?? user_input_message ?? output_review_message ?? DEFAULTS[question.kind];
}

const DEFAULTS: Record<PauseKind, string> = {
  confirmation: "Go on?",
  user_input: "Please fill in:",
  route_selection: "Which way?",
  output_review: "Is this right?",
  iteration_review: "Is this right, or once more?",
  executor_input: "May these tools run?",
  error_decision: "What is to be done?",
  signal: "Waits for a signal",
  response: "Please answer:",
  interaction: "Please do this:",
};

/** The card of one question. */
export function PauseCard({ question }: { question: Question }) {
  const { view, decisions, pending, userId, scopes, namespaces, groups, isReplaying } = useScene();
  const { assignees } = question.requirement;
  const who = { userId, scopes, namespaces, groups };
  const votes = votesIn(pending.get(question.id) ?? question);
  const isNamed = mayDecide(who, view.userId, assignees, view.namespace) !== false;
  const why = whyNotAsked(who, { ...question.requirement, ...votes }, view.userId);
  const may = isNamed && why === null;
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
  const focus = useFocusKept(isOpen);
  return (
    <section
      {...focus}
      className={`card ${phase}`}
      aria-label={`${labelOf(phase)}: ${ASKS[question.kind]}, ${question.requirement.step_name}`}
    >
      <Head question={question} isOpen={isOpen} />
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
            <ForOthers question={question} why={isNamed ? why : null} />
            {scopes.includes("admin") && names.length > 0 && (
              <Behalf names={names}>
                <Body question={question} may isBusy={mine?.phase === "sending"} />
              </Behalf>
            )}
          </>
        ))}
      {isOpen && votes && <Votes votes={votes} kind={question.kind} userId={userId} />}
      {!isOpen && question.kind === "error_decision" && <Failed {...question.requirement} />}
      {!isTools && found.at(-1) && <Decisions question={question} found={found} />}
      {!isOpen && found.length === 0 && <Withdrawn />}
      <Refusal id={question.id} kind={question.kind} isOver={!isOpen} />
      <AnswerOnItsWay ids={answerableIn(question)} />
      {!isOpen && <Unsent ids={answerableIn(question)} />}
    </section>
  );
}

/** What can be answered of a question by itself: the question, and each of its tools. */
function answerableIn(question: Question): string[] {
  const tools = question.kind === "error_decision" ? [] : (question.requirement.executor_requirements ?? []);
  return [question.id, ...tools.map((tool) => tool.id)];
}

function labelOf(phase: string): string {
  return phase === "open" ? "Waiting" : phase === "decided" ? "Decided" : "Withdrawn";
}

function Head({ question, isOpen }: { question: Question; isOpen: boolean }) {
  const Icon = ICONS[question.kind];
  const { requirement } = question;
  return (
    <header className="card-head">
      <Icon size={18} aria-hidden />
      <div className="card-title">
        <h3>{messageOf(question)}</h3>
        <p className="hint">
          {ASKS[question.kind]} · <span className="name">{requirement.step_name}</span>
          <For assignees={requirement.assignees} />
        </p>
      </div>
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
function ForOthers({ question, why }: { question: Question; why: ReturnType<typeof whyNotAsked> }) {
  const output =
    question.kind === "error_decision" ? question.requirement.error_message : question.requirement.step_output;
  return (
    <>
      {question.kind === "executor_input" && <ToolsForm question={question} may={false} />}
      {output !== undefined && <Folded text={textOfValue(output)} what="output" />}
      <p className="hint">{why === null ? "You can see this, and others decide it." : WHY[why]}</p>
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
