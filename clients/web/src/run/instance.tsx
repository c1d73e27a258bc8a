/** What the page of a run has besides where it is an instance of a state machine: where it is on the diagram. */

import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import type { Instance, JsonValue, RunView } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { graphPathOf } from "../graphs/paths.ts";
import { isVersionId, machineOf } from "../machines/paths.ts";
import { ProgressReader, type Progress, type StateProgress } from "../machines/progress.ts";
import { StateDiagram } from "../machines/state-diagram.tsx";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { useAnswer } from "../ui/use-answer.ts";

/** Whether a run is an instance of a state machine. */
export function isInstance(view: RunView): boolean {
  return view.runId.startsWith("inst_");
}

/** Whether a run has a definition that is stored. */
export function hasDefinition(view: RunView): boolean {
  return isVersionId(view.version);
}

/** What an instance is about, and the failed one that it tries again: neither ever changes. */
export function useBeginning({ runId }: RunView): { businessKey: string | undefined; retriedFrom: string | undefined } {
  const { client } = useInterlock();
  const { data } = useAnswer(`beginning ${runId}`, () => client.instances.get(runId));
  return { businessKey: data?.business_key, retriedFrom: data?.retried_from };
}

/** The diagram of an instance's version, with where it is. */
export function InstanceDiagram({ view }: { view: RunView }) {
  const { client } = useInterlock();
  const [name, version] = [view.workflowId ?? "", view.version ?? ""];
  const { data, error, again } = useAnswer(`version ${name} ${version}`, () => client.machines.version(name, version));
  const progress = useProgress(view);
  if (data === null && error?.code === "workflow_not_found") return <SessionOf name={name} runId={view.runId} />;
  if (data === null && error !== null) return <NoDefinition code={error.code} message={error.message} again={again} />;
  if (data === null) return <Skeleton label="Loading the definition" lines={5} />;
  return (
    <div className="stack">
      {!progress.isWhole && (
        <p className="hint">What happened at the beginning isn’t kept any more: counts are of the rest.</p>
      )}
      <StateDiagram definition={data.definition as unknown as JsonValue} progress={progress} />
      <p className="hint">
        It runs on version {data.number ?? data.version_id} of{" "}
        <Link href={machineOf(data.name, data.version_id)}>{data.name}</Link>
        {data.status === "draft" && ", which is a draft"}, whatever is published meanwhile.
      </p>
    </div>
  );
}

/** A run of a graph is a session, which its canvas shows. */
function SessionOf({ name, runId }: { name: string; runId: string }) {
  const { client } = useInterlock();
  const { data, error } = useAnswer(`session ${runId}`, () => client.graphs.session(runId));
  if (data !== null) {
    return (
      <p>
        This is a session of the graph {name}: <Link href={graphPathOf(name, runId)}>see it on the canvas</Link>.
      </p>
    );
  }
  if (error === null) return <Skeleton label="Loading the session" />;
  return <NoDefinition code="workflow_not_found" message="" again={() => undefined} />;
}

function NoDefinition({ code, message, again }: { code: string; message: string; again: () => void }) {
  if (code === "version_not_found" || code === "workflow_not_found")
    return <Notice>The version that it ran on was a draft, and is deleted: there is no diagram of it.</Notice>;
  return (
    <Notice tone="fault" again={again}>
      The definition can’t be loaded: {message}
    </Notice>
  );
}

/** How far the run has come: by its events, and where these aren't all there, by what the server says. */
function useProgress(view: RunView): Progress {
  const [reader] = useState(() => new ProgressReader());
  const read = reader.read(view.log);
  const isWhole = read.isWhole && view.snapshotAsOf === null;
  const told = useTold(view, isWhole);
  return useMemo(() => (isWhole ? read : completed(read, told)), [read, isWhole, told]);
}

function useTold(view: RunView, isWhole: boolean): Instance | null {
  const { client } = useInterlock();
  const [told, setTold] = useState<Instance | null>(null);
  const { runId, lastIndex } = view;
  useEffect(() => {
    if (isWhole || lastIndex === null) return undefined;
    const timer = setTimeout(() => void client.instances.get(runId).then(setTold, () => undefined), 300);
    return () => clearTimeout(timer);
  }, [client, runId, lastIndex, isWhole]);
  return told;
}

function completed(read: Progress, told: Instance | null): Progress {
  const states = new Map(read.states);
  const nothing: StateProgress = { entered: 0, inside: 0, halted: 0, isEnd: false, failed: false };
  for (const { state } of told?.history ?? []) if (!states.has(state)) states.set(state, { ...nothing, entered: 1 });
  for (const [name, each] of states) states.set(name, { ...each, inside: 0, halted: 0 });
  for (const { current_state: state, status } of told?.threads ?? []) {
    const known = states.get(state) ?? nothing;
    if (status === "running" || status === "halted") {
      states.set(state, {
        ...known,
        inside: known.inside + 1,
        halted: known.halted + (status === "halted" ? 1 : 0),
      });
    }
  }
  return { states, ways: read.ways, isWhole: false };
}
