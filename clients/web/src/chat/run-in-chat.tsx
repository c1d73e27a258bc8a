/**
 * One run in a conversation: what was said, what its steps do, what it waits for, and how it ended.
 *
 * Laws:
 * - Everything is where it happened; what waits is a card in its place.
 */

import { useEffect } from "react";
import { Link } from "wouter";
import { ExternalLink } from "lucide-react";
import type { DecisionView, InterlockError, RunView } from "@interlock/client";
import { CancelButton } from "../run/cancel.tsx";
import { RunFault } from "../run/fault.tsx";
import { ANY_WORKFLOW, pathOf } from "../run/paths.ts";
import { useScene } from "../pauses/run-context.ts";
import { RunStage, type Staged } from "../pauses/stage.tsx";
import { deciderOf, decisionOf, isRefusal } from "../pauses/words.ts";
import { useAnnouncements } from "../pauses/announcements.ts";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { Value } from "../ui/value.tsx";
import { Nodes } from "./node.tsx";
import { useToldOpen } from "./open-runs.ts";
import { belongs, type Spoken } from "./store.ts";

/** A run, as a part of a conversation. */
export function RunInChat({ runId, workflowId, workflowName }: Spoken & { workflowName: string }) {
  return (
    <RunStage runId={runId} workflowId={workflowId}>
      {(staged) => <Told {...staged} workflowName={workflowName} />}
    </RunStage>
  );
}

function Told({ view, error, behind, cancel, workflowName: said }: Staged & { workflowName: string }) {
  // In an address, the workflow may be left open; the run itself says which it is.
  const workflowName = said === ANY_WORKFLOW ? (view.workflowName ?? view.workflowId ?? "Run") : said;
  useAnnouncements(view, workflowName, behind > 0);
  useToldOpen(workflowName, cancel);
  const { userId } = useScene();
  const { runId, sessionId } = view;
  const isMine = view.userId === userId;
  useEffect(() => {
    if (sessionId !== null && isMine) belongs(runId, sessionId);
  }, [runId, sessionId, isMine]);
  if (error !== null && view.lastIndex === null) return <Missing error={error} view={view} />;
  return (
    <article className="run" aria-label={`Run of ${workflowName}`}>
      <Said view={view} />
      <header className="run-head">
        <h2>{workflowName}</h2>
        <Status status={view.status} />
        <Link href={pathOf(view)} className="link small" aria-label={`Steps and events of this run of ${workflowName}`}>
          Steps and events <ExternalLink size={12} aria-hidden />
        </Link>
        <CancelButton view={view} cancel={cancel} small />
      </header>
      {view.lastIndex === null && <Skeleton label="Loading the run" />}
      <Lost view={view} />
      <Nodes parent={null} />
      {isToldAbove(view) ? <Ended view={view} /> : <Outcome view={view} />}
      {error && <RunFault error={error} />}
    </article>
  );
}

function Missing({ error, view }: { error: InterlockError; view: RunView }) {
  return (
    <article className="run" aria-label={`Run ${view.runId}`}>
      <RunFault error={error} />
    </article>
  );
}

/** What the run was started with. */
export function Said({ view }: { view: RunView }) {
  const text = textOfValue(view.input);
  if (text === "") return null;
  return (
    <div className="bubble" role="group" aria-label="Message">
      <Folded text={text} what="message" code={typeof view.input !== "string"} />
      <p className="hint">
        {view.userId} {view.startedAt !== null && <Time at={view.startedAt} />}
      </p>
    </div>
  );
}

/** What is said where the beginning of the run isn't known any more. */
export function Lost({ view }: { view: RunView }) {
  if (view.snapshotAsOf === null) return null;
  return (
    <Notice>
      The events up to number {view.snapshotAsOf} aren’t kept any more. What is shown begins with the state of the run
      after them.
    </Notice>
  );
}

/** Whether the output of the run is what its last step says, which stands right above. */
function isToldAbove(view: RunView): boolean {
  const last = view.steps.childrenOf(null).at(-1);
  const text = textOfValue(view.output);
  return view.status === "COMPLETED" && text !== "" && last?.children.length === 0 && last.text === text;
}

function Ended({ view }: { view: RunView }) {
  return (
    <p className="hint">
      Completed
      {view.endedAt !== null && (
        <>
          {" "}
          · <Time at={view.endedAt} />
        </>
      )}
    </p>
  );
}

/** The end of a run without output, after somebody said no. */
function Refused({ decision }: { decision: DecisionView }) {
  const { userId } = useScene();
  return (
    <section className="outcome" aria-label="Output">
      <p>
        Ended without output. {decision.stepName}: {decisionOf(decision.decision, decision.kind)} by{" "}
        {deciderOf(decision.resolvedBy, userId)}.
      </p>
    </section>
  );
}

/** How the run ended. */
export function Outcome({ view }: { view: RunView }) {
  if (view.status === "COMPLETED") {
    const text = textOfValue(view.output);
    const last = [...view.decisions].at(-1);
    if (text === "" && last && isRefusal(last.decision)) return <Refused decision={last} />;
    return (
      <section className="outcome good" aria-label="Output">
        <h2>Output</h2>
        {text === "" ? <p className="hint">It has none.</p> : <Value value={view.output ?? null} />}
      </section>
    );
  }
  if (view.status === "CANCELLED") {
    const { by, reason } = view.cancelled ?? { by: null, reason: null };
    return (
      <section className="outcome" aria-label="Cancelled">
        <p>
          Cancelled{by !== null && ` by ${by}`}
          {view.endedAt !== null && (
            <>
              {" "}
              · <Time at={view.endedAt} />
            </>
          )}
        </p>
        {reason && <Folded text={reason} what="reason" />}
      </section>
    );
  }
  if (view.status !== "ERROR") return null;
  return (
    <section className="outcome bad" aria-label="Error">
      <h2>{view.error?.type ?? "Error"}</h2>
      <Folded text={view.error?.message ?? "The run failed."} what="error" />
    </section>
  );
}
