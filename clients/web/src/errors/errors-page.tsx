/** What went wrong in all instances: which errors, where, how often; the newest first. */

import { useEffect, useState } from "react";
import { RefreshCw } from "lucide-react";
import { Link } from "wouter";
import type { ListedError, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { isVersionId, machineOf } from "../machines/paths.ts";
import { Sections } from "../machines/sections.tsx";
import { pathOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { Picker } from "../ui/fields.tsx";
import { counted, timeOf } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { useErrors, type ErrorsWanted } from "./use-errors.ts";
import { tallied, type Tally } from "./tally.ts";

const ANY = " any";
const EVERYWHERE = "*";
const HOUR = 3_600_000;
const PERIODS = [
  ["hour", "Last hour", HOUR],
  ["day", "Last 24 hours", 24 * HOUR],
  ["week", "Last 7 days", 7 * 24 * HOUR],
  ["ever", "All that are kept", null],
] as const;
const CODES = [
  "script_error",
  "script_timeout",
  "http_error",
  "http_timeout",
  "data_too_large",
  "invalid_transition",
  "transition_limit",
  "threads_running",
];

/** `#/errors`. */
export function ErrorsPage() {
  useTitle("Errors");
  const [period, setPeriod] = useDraft<string>("errors/period", "day");
  const [machine, setMachine] = useDraft("errors/machine", ANY);
  const [code, setCode] = useDraft("errors/code", ANY);
  const [namespace, setNamespace] = useDraft("errors/namespace", ANY);
  const { workflows } = useWorkflows();
  const own = useInterlock().connection.namespaces.filter((each) => each !== EVERYWHERE);
  const wanted: ErrorsWanted = {
    periodMs: PERIODS.find(([key]) => key === period)?.[2] ?? null,
    ...(machine === ANY ? {} : { workflowName: machine }),
    ...(code === ANY ? {} : { code }),
    ...(own.includes(namespace) ? { namespace } : {}),
  };
  const options = (all: string, each: readonly string[]) => [
    { key: ANY, label: all },
    ...each.map((key) => ({ key, label: key })),
  ];
  const codes = CODES.includes(code) || code === ANY ? CODES : [...CODES, code];
  return (
    <div className="page">
      <Sections current="errors" />
      <header className="page-head">
        <h1>Errors</h1>
      </header>
      <div className="bar">
        <Picker
          label="Period"
          options={PERIODS.map(([key, label]) => ({ key, label }))}
          value={period}
          onChange={setPeriod}
        />
        <Picker
          label="Workflow"
          options={options(
            "All workflows",
            (workflows ?? []).map(({ id }) => id),
          )}
          value={machine}
          onChange={setMachine}
        />
        <Picker label="Code" options={options("All codes", codes)} value={code} onChange={setCode} />
        {own.length > 1 && (
          <Picker
            label="Namespace"
            options={options("All namespaces", own)}
            value={namespace}
            onChange={setNamespace}
          />
        )}
      </div>
      <List key={JSON.stringify(wanted)} wanted={wanted} onCode={setCode} onMachine={setMachine} />
    </div>
  );
}

interface ListProps {
  wanted: ErrorsWanted;
  onCode: (code: string) => void;
  onMachine: (name: string) => void;
}

function List({ wanted, onCode, onMachine }: ListProps) {
  const { errors, at, fault, isLoading, hasMore, more, again } = useErrors(wanted);
  useRefreshed(again);
  if (fault !== null && errors === null) return <Unlisted fault={fault} again={again} />;
  if (errors === null) return <Skeleton label="Loading the errors" lines={6} />;
  return (
    <>
      <div className="bar centred">
        <span className="hint" role="status">
          {counted(errors.length, "error")}
          {hasMore && ", and there are more"}
          {at !== null && `, as of ${timeOf(at)}`}
        </span>
        <Button small tone="quiet" isPending={isLoading} onPress={again}>
          <RefreshCw size={14} aria-hidden /> Refresh
        </Button>
      </div>
      {fault && (
        <Notice tone="fault" again={again}>
          The list may be out of date: {fault.message}
        </Notice>
      )}
      {errors.length === 0 ? (
        <Empty title="Nothing has failed">
          What failed in instances, and in runs of other workflows, is listed here, handled or not.
        </Empty>
      ) : (
        <>
          <Summary errors={errors} onCode={onCode} onMachine={onMachine} />
          <Table errors={errors} />
        </>
      )}
      {hasMore && (
        <Button isPending={isLoading} onPress={more}>
          Show more
        </Button>
      )}
    </>
  );
}

const REFRESH_MS = 30_000;

/** The list isn't told of what is new: while somebody looks, it is asked for. */
function useRefreshed(again: () => void) {
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && again(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [again]);
}

function Unlisted({ fault, again }: { fault: InterlockError; again: () => void }) {
  if (fault.status === 404) {
    return (
      <Empty title="This server has no error list">
        It is of a version without one. Failed <Link href="/runs">runs</Link> are listed by their status.
      </Empty>
    );
  }
  return (
    <Notice tone="fault" again={again}>
      The errors can’t be listed: {fault.message}
    </Notice>
  );
}

function Summary({ errors, onCode, onMachine }: { errors: readonly ListedError[] } & Omit<ListProps, "wanted">) {
  const codes = tallied(errors.map(({ code }) => code));
  const machines = tallied(errors.map(({ workflow_name: name }) => name));
  const places = tallied(errors.map(({ workflow_name: name, state }) => (state ? `${name} · ${state}` : name)));
  return (
    <div className="tallies">
      <Tallies title="By code" tallies={codes} onSelect={onCode} />
      <Tallies title="By workflow" tallies={machines} onSelect={onMachine} />
      <Tallies title="By state" tallies={places} />
    </div>
  );
}

const MOST = 5;

function Tallies({
  title,
  tallies,
  onSelect,
}: {
  title: string;
  tallies: readonly Tally[];
  onSelect?: (key: string) => void;
}) {
  const largest = tallies[0]?.count ?? 1;
  return (
    <section className="tally" aria-label={title}>
      <h2>{title}</h2>
      <ol>
        {tallies.slice(0, MOST).map(({ key, count }) => (
          <li key={key}>
            <span className="tally-bar" style={{ width: `${(100 * count) / largest}%` }} aria-hidden />
            {onSelect ? (
              <button type="button" className="tally-key" onClick={() => onSelect(key)}>
                <span className="unseen">Only </span>
                {key}
              </button>
            ) : (
              <span className="tally-key">{key}</span>
            )}
            <span className="number">{count}</span>
          </li>
        ))}
      </ol>
      {tallies.length > MOST && <p className="hint">and {tallies.length - MOST} more</p>}
    </section>
  );
}

function Table({ errors }: { errors: readonly ListedError[] }) {
  return (
    <div className="table-box">
      <table aria-label="Errors" className="cards errors">
        <thead>
          <tr>
            <th scope="col">Error</th>
            <th scope="col">Outcome</th>
            <th scope="col">Workflow</th>
            <th scope="col">Instance</th>
            <th scope="col">Time</th>
          </tr>
        </thead>
        <tbody>
          {errors.map((error) => (
            <Row key={error.id} error={error} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ error }: { error: ListedError }) {
  const [isOpen, setOpen] = useState(false);
  const { code, message, fatal, workflow_name: name, state, instance_id: runId, timestamp } = error;
  const isLong = message.length > 160;
  const isStored = isVersionId(error.version_id);
  return (
    <tr>
      <th scope="row">
        <code>{code}</code>
        <span className="said about">{isLong && !isOpen ? `${message.slice(0, 160)}…` : message}</span>
        {isLong && (
          <Button tone="quiet" small onPress={() => setOpen(!isOpen)}>
            {isOpen ? "Show less" : "Show all"}
          </Button>
        )}
      </th>
      <td>
        {fatal ? <span className="badge bad">Ended the instance</span> : <span className="badge calm">Handled</span>}
      </td>
      <td>
        {isStored ? <Link href={machineOf(name)}>{name}</Link> : name}
        {state && <span className="hint about">at {state}</span>}
      </td>
      <td>
        <Link href={pathOf({ workflowId: name, runId })}>
          <code className="id">{runId}</code>
        </Link>
      </td>
      <td>
        <Time at={Date.parse(timestamp)} />
      </td>
    </tr>
  );
}
