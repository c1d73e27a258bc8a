/** The page of a graph: its canvas, saving, activating, its endpoint, and its sessions. */

import "../styles/graphs.css";
import { useMemo } from "react";
import { Save } from "lucide-react";
import { Link, useLocation, useParams, useSearchParams } from "wouter";
import type { DefinedGraph, GraphSummary, GraphVersion, TaskType } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { RunStage } from "../pauses/stage.tsx";
import { partOf } from "../run/paths.ts";
import { Asked } from "../ui/asked.tsx";
import { Button } from "../ui/button.tsx";
import { draftOf } from "../ui/draft.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { ActivateButton } from "./activate.tsx";
import { usePlaced } from "./arrange.ts";
import { Conflict } from "./conflict.tsx";
import { EndpointButton } from "./endpoint.tsx";
import { emptyGraph, graphOf, type Graph } from "./model.ts";
import { graphPathOf } from "./paths.ts";
import { SessionsButton } from "./sessions.tsx";
import { SessionStudio, Studio } from "./studio.tsx";
import { TryGraph } from "./try-graph.tsx";
import { keptAs, useFaults, useSaving, useWork, type KeptWork, type Saving, type Working } from "./use-graph.ts";

/** What is known of a graph; null where the server has none of that name. */
export interface Known {
  summary: GraphSummary;
  versions: readonly GraphVersion[];
  newest: DefinedGraph;
}

/** `#/graphs/<name>`. */
export function GraphPage() {
  const name = partOf(useParams<{ name: string }>().name);
  useTitle(name);
  const { client } = useInterlock();
  const types = useAnswer("task types", () => client.graphs.taskTypes());
  const known = useAnswer(`graph ${name}`, async (): Promise<{ known: Known | null }> => {
    try {
      const [summary, versions] = await Promise.all([client.graphs.get(name), client.graphs.versions(name)]);
      const newest = await client.graphs.version(name, versions[0]?.version_id ?? summary.latest_version_id);
      return { known: { summary, versions, newest } };
    } catch (error) {
      if (errorOf(error).status === 404) return { known: null };
      throw error;
    }
  });
  const fault = types.error ?? known.error;
  const again = () => {
    types.again();
    known.again();
  };
  if (known.data === null || types.data === null) {
    return (
      <div className="page">
        <h1>{name}</h1>
        {fault === null ? (
          <Skeleton label="Loading the graph" lines={8} />
        ) : (
          <Notice tone="fault" again={again}>
            The graph can’t be loaded: {fault.message}
          </Notice>
        )}
      </div>
    );
  }
  return <Loaded key={name} name={name} known={known.data.known} types={types.data} onChanged={known.again} />;
}

interface LoadedProps {
  name: string;
  known: Known | null;
  types: readonly TaskType[];
  onChanged: () => void;
}

function Loaded(props: LoadedProps) {
  const { name, known } = props;
  // What is worked on began with one version: a newer one is not taken in its place.
  const saved = useMemo(
    () => (known === null ? emptyGraph(name) : graphOf(known.newest.definition as never)),
    [name, known?.newest.version_id], // eslint-disable-line react-hooks/exhaustive-deps
  );
  const placed = usePlaced(saved);
  if (known === null && draftOf<KeptWork | null>(keptAs(name), null) === null) return <NoGraph name={name} />;
  if (placed === null) {
    return (
      <div className="page">
        <Skeleton label="Placing the tasks" lines={8} />
      </div>
    );
  }
  return <Canvas {...props} saved={placed} />;
}

function NoGraph({ name }: { name: string }) {
  return (
    <div className="page">
      <h1>{name}</h1>
      <Notice tone="fault">
        There is no such graph in your account. <Link href="/graphs">See those that are</Link>.
      </Notice>
    </div>
  );
}

function Canvas({ name, known, types, onChanged, saved }: LoadedProps & { saved: Graph }) {
  const working = useWork(name, saved, known?.newest.version_id ?? null);
  const saving = useSaving(working, onChanged);
  const checked = useFaults(working.graph);
  const [search] = useSearchParams();
  const [, navigate] = useLocation();
  const sessionId = search.get("session");
  const save = () => void (working.isChanged && !saving.isBusy && saving.save());
  const show = (id: string) => navigate(graphPathOf(name, id));
  return (
    <div className="page graph-page">
      <Head {...{ name, known, working, saving, onChanged, save, show }} />
      {saving.error && <Refusal saving={saving} name={name} />}
      {saving.conflict && (
        <Conflict
          mine={working.graph}
          conflict={saving.conflict}
          isBusy={saving.isBusy}
          onMine={() => void saving.save("theirs")}
          onTheirs={() => {
            if (saving.conflict) takeTheirs(working, saving.conflict.theirs, saving.conflict.version.version_id);
            saving.settle();
          }}
          onClose={saving.settle}
        />
      )}
      {sessionId === null ? (
        <Studio working={working} types={types} checked={checked} onSave={save} />
      ) : (
        <RunStage key={sessionId} runId={sessionId} workflowId={name}>
          {(staged) => (
            <SessionStudio
              name={name}
              graph={working.graph}
              types={types}
              staged={staged}
              onClose={() => navigate(graphPathOf(name))}
            />
          )}
        </RunStage>
      )}
    </div>
  );
}

/** Goes on with what somebody else saved; one's own is a step that can be undone. */
function takeTheirs(working: Working, theirs: Graph, version: string): void {
  working.rebase(version, theirs, { says: "Took theirs", parts: { description: undefined, ...theirs } });
}

function Refusal({ saving, name }: { saving: Saving; name: string }) {
  const { error } = saving;
  if (error?.code === "workflow_exists") {
    return (
      <Notice tone="fault">
        There is a workflow called {name} already. What you drew is kept here: begin a graph of another name, or delete
        that one.
      </Notice>
    );
  }
  return <Notice tone="fault">It isn’t saved. {error?.message}</Notice>;
}

interface HeadProps {
  name: string;
  known: Known | null;
  working: Working;
  saving: Saving;
  onChanged: () => void;
  save: () => void;
  show: (sessionId: string) => void;
}

function Head({ name, known, working, saving, onChanged, save, show }: HeadProps) {
  const isActive = known?.summary.active === true;
  const isAhead = working.isChanged || working.base !== known?.summary.published_version_id;
  return (
    <header className="page-head">
      <h1>{name}</h1>
      {isActive && <span className="badge good">Active</span>}
      {working.isChanged ? (
        <span className="badge ask">Not saved</span>
      ) : (
        isActive && isAhead && <span className="badge ask">Newer draft</span>
      )}
      <span className="spacer" />
      {working.isChanged && working.base !== null && (
        <Asked
          label="Discard changes…"
          tone="quiet"
          title="Discard the changes?"
          submit="Discard"
          submitTone="danger"
          act={() => {
            working.discard();
            return Promise.resolve();
          }}
        >
          <p>What is drawn here, and isn’t saved, is gone then.</p>
        </Asked>
      )}
      <Button small isDisabled={!working.isChanged} isPending={saving.isBusy} onPress={save}>
        <Save size={14} aria-hidden /> Save
      </Button>
      {known !== null && <SessionsButton name={name} onOpen={show} />}
      {known !== null && <EndpointButton name={name} isActive={isActive} />}
      <TryGraph name={name} isActive={isActive} isAhead={isAhead} onSession={show} />
      <ActivateButton
        name={name}
        isActive={isActive}
        isAhead={isAhead}
        onSave={saving.save}
        working={working}
        onDone={onChanged}
      />
    </header>
  );
}
