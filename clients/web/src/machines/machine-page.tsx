/** The page of one machine: its versions, and of the one that is shown its diagram, its definition and its instances. */

import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { Pencil } from "lucide-react";
import { Link, useParams } from "wouter";
import type { DefinedVersion, JsonValue, MachineVersion } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { written } from "../editor/written.ts";
import { partOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Folded } from "../ui/folded.tsx";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { useAnswer, type Answered } from "../ui/use-answer.ts";
import { Instances } from "./instances.tsx";
import { editorOf, machineOf } from "./paths.ts";
import { Sections } from "./sections.tsx";
import { StateDiagram } from "./state-diagram.tsx";
import { TryButton } from "./try.tsx";
import { DeleteButton, PublishButton } from "./version-actions.tsx";
import { numberOf } from "./words.ts";

/** What is known of a machine. */
interface Known {
  /** The newest first. */
  versions: readonly MachineVersion[];
  /** The id of the current one. */
  current: string | null;
}

/** `#/machines/<name>` and `#/machines/<name>/<version>`. */
export function MachinePage() {
  const params = useParams<{ name: string; versionId?: string }>();
  const name = partOf(params.name);
  useTitle(name);
  const { client } = useInterlock();
  const { again: listAgain } = useWorkflows();
  const answered = useAnswer<Known>(`machine ${name}`, async () => {
    const [versions, machines] = await Promise.all([client.machines.versions(name), client.machines.list()]);
    return { versions, current: machines.find((each) => each.name === name)?.published_version_id ?? null };
  });
  const changed = () => {
    answered.again();
    listAgain();
  };
  return (
    <div className="page">
      <Sections current="machines" />
      <Machine key={name} name={name} answered={answered} wanted={params.versionId} onChanged={changed} />
    </div>
  );
}

interface MachineProps {
  name: string;
  answered: Answered<Known>;
  wanted: string | undefined;
  onChanged: () => void;
}

function Machine({ name, answered, wanted, onChanged }: MachineProps) {
  const { data, error, again } = answered;
  if (data === null) {
    return (
      <>
        <h1>{name}</h1>
        {error ? (
          <MachineFault code={error.code} message={error.message} again={again} />
        ) : (
          <Skeleton label="Loading the machine" lines={6} />
        )}
      </>
    );
  }
  const { versions, current } = data;
  const shown = versions.find((each) => each.version_id === wanted) ?? (wanted === undefined ? first(data) : undefined);
  return (
    <div className="machine">
      <div className="stack">
        {shown === undefined ? (
          <>
            <h1>{name}</h1>
            <Notice tone="fault">
              There is no such version. <Link href={machineOf(name)}>See those that are</Link>.
            </Notice>
          </>
        ) : (
          <Version key={shown.version_id} name={name} version={shown} known={data} onChanged={onChanged} />
        )}
      </div>
      <Versions name={name} versions={versions} current={current} shown={shown?.version_id} />
    </div>
  );
}

/** The version that is shown where none is asked for: the current one, or the newest. */
function first({ versions, current }: Known): MachineVersion | undefined {
  return versions.find((each) => each.version_id === current) ?? versions[0];
}

function MachineFault({ code, message, again }: { code: string; message: string; again: () => void }) {
  if (code === "workflow_not_found") {
    return (
      <Notice tone="fault">
        There is no such machine in your account. <Link href="/machines">See those that are</Link>.
      </Notice>
    );
  }
  return (
    <Notice tone="fault" again={again}>
      The machine can’t be loaded: {message}
    </Notice>
  );
}

interface VersionProps {
  name: string;
  version: MachineVersion;
  known: Known;
  onChanged: () => void;
}

function Version({ name, version, known, onChanged }: VersionProps) {
  const { client } = useInterlock();
  const id = version.version_id;
  const { data, error, again } = useAnswer<DefinedVersion>(`version ${name} ${id}`, () =>
    client.machines.version(name, id),
  );
  const isCurrent = id === known.current;
  const current = known.versions.find((each) => each.version_id === known.current) ?? null;
  return (
    <>
      <header className="page-head">
        <h1>{name}</h1>
        <span className="hint">{numberOf(version)}</span>
        <VersionBadge version={version} isCurrent={isCurrent} />
        <span className="spacer" />
        <Link href={editorOf(name, id)} className="button plain small">
          <Pencil size={14} aria-hidden /> Edit
        </Link>
        {data && <TryButton version={data} isCurrent={isCurrent} />}
        {!isCurrent && <PublishButton name={name} version={version} current={current} onDone={onChanged} />}
        {version.status === "draft" && <DeleteButton name={name} version={version} onDone={onChanged} />}
      </header>
      {data?.definition.description && <p>{data.definition.description}</p>}
      {error && (
        <Notice tone="fault" again={again}>
          The definition can’t be loaded: {error.message}
        </Notice>
      )}
      {data === null && !error && <Skeleton label="Loading the definition" lines={6} />}
      {data && <Parts version={data} />}
    </>
  );
}

function Parts({ version }: { version: DefinedVersion }) {
  const definition = version.definition as unknown as JsonValue;
  return (
    <Tabs className="tabs">
      <TabList aria-label="Parts of the machine" className="tab-list">
        <Tab id="diagram">Diagram</Tab>
        <Tab id="definition">Definition</Tab>
        <Tab id="instances">Instances</Tab>
      </TabList>
      <TabPanel id="diagram">
        <StateDiagram definition={definition} />
      </TabPanel>
      <TabPanel id="definition">
        <Folded text={written(definition)} code what="definition" />
      </TabPanel>
      <TabPanel id="instances">
        <Instances name={version.name} />
      </TabPanel>
    </Tabs>
  );
}

function VersionBadge({ version, isCurrent }: { version: MachineVersion; isCurrent: boolean }) {
  if (isCurrent) return <span className="badge good">Current</span>;
  if (version.status === "draft") return <span className="badge ask">Draft</span>;
  return <span className="badge calm">Published before</span>;
}

interface VersionsProps {
  name: string;
  versions: readonly MachineVersion[];
  current: string | null;
  shown: string | undefined;
}

function Versions({ name, versions, current, shown }: VersionsProps) {
  return (
    <section className="versions" aria-label="Versions">
      <h2>Versions</h2>
      {current === null && (
        <p className="hint">
          None was published yet. Try the draft, then publish it: instances begin with what is published.
        </p>
      )}
      <ol aria-label="Versions">
        {versions.map((version) => (
          <VersionItem key={version.version_id} name={name} version={version} current={current} shown={shown} />
        ))}
      </ol>
    </section>
  );
}

interface VersionItemProps extends Omit<VersionsProps, "versions"> {
  version: MachineVersion;
}

function VersionItem({ name, version, current, shown }: VersionItemProps) {
  const { version_id: id, created_at: made, created_by: maker, published_at: published, published_by: by } = version;
  return (
    <li>
      <Link
        href={machineOf(name, id)}
        className={id === shown ? "version shown" : "version"}
        {...(id === shown ? { "aria-current": "true" as const } : {})}
      >
        <span className="version-head">
          <strong>{numberOf(version)}</strong> <VersionBadge version={version} isCurrent={id === current} />
        </span>
        <When word="Made" at={made} by={maker} />
        <When word="Published" at={published} by={by} />
        <code className="hint id">{id}</code>
      </Link>
    </li>
  );
}

function When({ word, at, by }: { word: string; at: string | undefined; by: string | undefined }) {
  if (at === undefined) return null;
  return (
    <span className="hint">
      {word} <Ago at={Date.parse(at)} />
      {by !== undefined && ` by ${by}`}
    </span>
  );
}
