/** A session of a graph at the side of the canvas: where it stands, what it waits for, and what it came to. */

import { ExternalLink, X } from "lucide-react";
import { Link } from "wouter";
import { textOf, type RunView } from "@interlock/client";
import { Outcome } from "../chat/run-in-chat.tsx";
import { useAnnouncements } from "../pauses/announcements.ts";
import { waitedHere } from "../pauses/answers.ts";
import { PauseCard } from "../pauses/card.tsx";
import { useScene } from "../pauses/run-context.ts";
import type { Staged } from "../pauses/stage.tsx";
import { CancelButton } from "../run/cancel.tsx";
import { RunFault } from "../run/fault.tsx";
import { pathOf } from "../run/paths.ts";
import { Button } from "../ui/button.tsx";
import { Folded } from "../ui/folded.tsx";
import { Skeleton } from "../ui/notice.tsx";
import { State, Status } from "../ui/status.tsx";
import { Took } from "../ui/time.tsx";
import { stepOf } from "./progress.ts";

interface SessionProps extends Staged {
  name: string;
  selected: string | null;
  onClose: () => void;
}

/** The panel. */
export function SessionPanel({ view, error, behind, cancel, name, selected, onClose }: SessionProps) {
  useAnnouncements(view, name, behind > 0);
  return (
    <section className="panel" aria-label="Session">
      <header className="panel-head">
        <h2>Session</h2>
        <Status status={view.status} />
        {view.startedAt !== null && (
          <span className="hint">
            <Took from={view.startedAt} to={view.endedAt} />
          </span>
        )}
        <span className="spacer" />
        <Button small tone="quiet" aria-label="Close the session" onPress={onClose}>
          <X size={16} aria-hidden />
        </Button>
      </header>
      <div className="actions">
        <Link href={pathOf(view)} className="link small">
          Steps and events <ExternalLink size={12} aria-hidden />
        </Link>
        <CancelButton view={view} cancel={cancel} small />
      </div>
      {view.lastIndex === null && !error && <Skeleton label="Loading the session" />}
      {error && <RunFault error={error} />}
      <Waiting />
      {selected !== null && <Output view={view} id={selected} />}
      <Outcome view={view} />
    </section>
  );
}

/** What waits now, and what was decided here. */
function Waiting() {
  const { past, pending } = useScene();
  const shown = [...past.questions.values()].filter((each) => pending.has(each.id) || waitedHere(each.id));
  return shown.map((question) => <PauseCard key={question.id} question={question} />);
}

function Output({ view, id }: { view: RunView; id: string }) {
  const step = stepOf(view, id);
  if (step === null) return <p className="hint">{id} hasn’t begun.</p>;
  const text = textOf(step);
  return (
    <section className="stack" aria-label={`Output of ${id}`}>
      <header className="panel-head">
        <h3>{id}</h3>
        <State state={step.state} />
        {step.startedAt !== null && (
          <span className="hint">
            <Took from={step.startedAt} to={step.endedAt ?? [...step.attempts].at(-1)?.endedAt ?? null} />
          </span>
        )}
      </header>
      {step.skipReason !== null && <p className="hint">Skipped: {step.skipReason}</p>}
      {step.error && (
        <div className="failure">
          <strong>{step.error.type}</strong>
          <Folded text={step.error.message} what="error" />
        </div>
      )}
      {text !== "" && <Folded text={text} code={typeof step.content !== "string"} what="output" />}
    </section>
  );
}
