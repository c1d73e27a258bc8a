/** The page of one run: what waits, its steps, its events, and who decided what. */

import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { MessageSquare } from "lucide-react";
import { Link, useParams } from "wouter";
import type { RunView } from "@interlock/client";
import { Lost, Outcome, Said } from "../chat/run-in-chat.tsx";
import { useAnnouncements } from "../pauses/announcements.ts";
import { waitedHere } from "../pauses/answers.ts";
import { PauseCard } from "../pauses/card.tsx";
import { useScene } from "../pauses/run-context.ts";
import { RunStage, type Staged } from "../pauses/stage.tsx";
import { useWorkflows } from "../session/workflows.ts";
import { count, counted, durationOf } from "../ui/format.ts";
import { Skeleton } from "../ui/notice.tsx";
import { Status } from "../ui/status.tsx";
import { Time, Took } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { CancelButton } from "./cancel.tsx";
import { DecisionsTable } from "./decisions-table.tsx";
import { EventsTable } from "./events-table.tsx";
import { RunFault } from "./fault.tsx";
import { hasDefinition, InstanceDiagram, isInstance, useBeginning } from "./instance.tsx";
import { chatOf, partOf, pathOf } from "./paths.ts";
import { RetryButton } from "./retry.tsx";
import { StepsTree } from "./steps-tree.tsx";
import { Timeline } from "./timeline.tsx";

/** `#/runs/<workflow>/<run>`. */
export function RunPage() {
  const params = useParams<{ workflowId: string; runId: string }>();
  const [workflowId, runId] = [partOf(params.workflowId), partOf(params.runId)];
  return (
    <RunStage key={runId} runId={runId} workflowId={workflowId}>
      {(staged) => <Page {...staged} workflowId={workflowId} />}
    </RunStage>
  );
}

function Page({ view, error, behind, cancel, workflowId }: Staged & { workflowId: string }) {
  const { nameOf } = useWorkflows();
  const name = view.workflowName ?? nameOf(view.workflowId ?? workflowId);
  useTitle(`${name}, run`);
  useAnnouncements(view, name, behind > 0);
  if (error !== null && view.lastIndex === null) {
    return (
      <div className="page">
        <h1>{nameOf(workflowId)}</h1>
        <RunFault error={error} />
      </div>
    );
  }
  return (
    <div className="page">
      <header className="page-head">
        <h1>{name}</h1>
        <Status status={view.status} />
        <span className="spacer" />
        <Link href={chatOf(view)} className="button plain small">
          <MessageSquare size={14} aria-hidden /> Open in chat
        </Link>
        <CancelButton view={view} cancel={cancel} small />
        <RetryButton view={view} />
      </header>
      <Facts view={view} />
      {view.lastIndex === null && <Skeleton label="Loading the run" lines={5} />}
      {error && <RunFault error={error} />}
      <Lost view={view} />
      <Said view={view} />
      <Waiting />
      <Outcome view={view} />
      <Parts view={view} />
    </div>
  );
}

function Facts({ view }: { view: RunView }) {
  const { metrics } = view;
  const paused = metrics?.["paused_ms"] ?? 0;
  return (
    <dl className="facts line">
      <Fact name="Run">
        <code>{view.runId}</code>
      </Fact>
      {view.userId !== null && <Fact name="Started by">{view.userId}</Fact>}
      {view.startedAt !== null && (
        <Fact name="Started">
          <Time at={view.startedAt} />
        </Fact>
      )}
      {view.startedAt !== null && (
        <Fact name={view.endedAt === null ? "Runs for" : "Took"}>
          <Took from={view.startedAt} to={view.endedAt} />
          {paused > 0 && ` (waited ${durationOf(paused)})`}
        </Fact>
      )}
      {view.version !== null && <Fact name="Version">{view.version}</Fact>}
      {view.recoveries > 0 && <Fact name="Taken over">{counted(view.recoveries, "time")}</Fact>}
      {isInstance(view) && <InstanceFacts view={view} />}
    </dl>
  );
}

function InstanceFacts({ view }: { view: RunView }) {
  const { businessKey, retriedFrom } = useBeginning(view);
  return (
    <>
      {businessKey !== undefined && <Fact name="About">{businessKey}</Fact>}
      {retriedFrom !== undefined && (
        <Fact name="Tries again">
          <Link href={pathOf({ workflowId: view.workflowId, runId: retriedFrom })}>{retriedFrom}</Link>
        </Fact>
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** How many cards that are decided by now stay. */
const DECIDED = 3;

/** What waits, and the last that waited on this page, in the order in which it was asked. */
function Waiting() {
  const { past, pending } = useScene();
  const asked = [...past.questions.values()].filter((each) => pending.has(each.id) || waitedHere(each.id));
  const decided = asked.filter((each) => !pending.has(each.id)).slice(-DECIDED);
  const shown = asked.filter((each) => pending.has(each.id) || decided.includes(each));
  if (shown.length === 0) return null;
  return (
    <section className="stack" aria-label="Waiting for a decision">
      <h2 className="unseen">Waiting for a decision</h2>
      {shown.map((question) => (
        <PauseCard key={question.id} question={question} />
      ))}
    </section>
  );
}

function Parts({ view }: { view: RunView }) {
  const [isOne, hasDiagram] = [isInstance(view), hasDefinition(view)];
  // Which tabs there are is known with the first event; the one that is open is one of them.
  return (
    <Tabs className="tabs" key={`${isOne} ${hasDiagram}`}>
      <TabList aria-label="Parts of the run" className="tab-list">
        {hasDiagram && <Tab id="diagram">Diagram</Tab>}
        {isOne && <Tab id="timeline">Timeline</Tab>}
        <Tab id="steps">Steps ({count(view.steps.length)})</Tab>
        <Tab id="events">Events ({count(view.log.end)})</Tab>
        <Tab id="decisions">Decisions ({count(view.decisions.length)})</Tab>
      </TabList>
      {hasDiagram && (
        <TabPanel id="diagram">
          <InstanceDiagram view={view} />
        </TabPanel>
      )}
      {isOne && (
        <TabPanel id="timeline">
          <Timeline view={view} />
        </TabPanel>
      )}
      <TabPanel id="steps">
        <StepsTree view={view} />
      </TabPanel>
      <TabPanel id="events">
        <EventsTable view={view} />
      </TabPanel>
      <TabPanel id="decisions">
        <DecisionsTable view={view} />
      </TabPanel>
    </Tabs>
  );
}
