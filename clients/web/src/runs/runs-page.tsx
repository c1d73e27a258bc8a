/** The runs that one may see, live: filtered by status and workflow, the newest first. */

import { useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { Link, useLocation, useSearch } from "wouter";
import type { RunStatus, RunSummary } from "@interlock/client";
import { useInterlock, useRuns } from "@interlock/client/react";
import { asksOf } from "../pauses/words.ts";
import { pathOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { Picker } from "../ui/fields.tsx";
import { counted } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Status, statusWord } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";

const STATUSES: readonly RunStatus[] = ["RUNNING", "PAUSED", "COMPLETED", "ERROR", "CANCELLED", "PENDING"];
const PAGE = 50;
/** The server lists no more. */
const MOST = 500;
const ANY = " any";
/** How the server says that all namespaces of the account are the user's. */
const EVERYWHERE = "*";

/** What the address asks for, and the way to ask for something else. */
function useAsked() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const said = new URLSearchParams(search);
  const given = said.getAll("status");
  const ask = (part: Record<string, readonly string[]>) => {
    for (const [name, values] of Object.entries(part)) {
      said.delete(name);
      for (const value of values) said.append(name, value);
    }
    navigate(said.size === 0 ? "/runs" : `/runs?${said.toString()}`, { replace: true });
  };
  return {
    statuses: new Set(STATUSES.filter((each) => given.includes(each))),
    workflow: said.get("workflow") ?? ANY,
    namespace: said.get("namespace") ?? ANY,
    ask,
  };
}

/** `#/runs`, with what is asked for behind a `?`. */
export function RunsPage() {
  useTitle("Runs");
  const { statuses, workflow, namespace, ask } = useAsked();
  const [limit, setLimit] = useDraft("runs/limit", PAGE);
  const { workflows } = useWorkflows();
  const own = useInterlock().connection.namespaces.filter((each) => each !== EVERYWHERE);
  const filter = {
    ...(statuses.size === 0 ? {} : { status: STATUSES.filter((each) => statuses.has(each)) }),
    ...(workflow === ANY ? {} : { workflow_id: workflow }),
    ...(own.includes(namespace) ? { namespace } : {}),
  };
  return (
    <div className="page">
      <header className="page-head">
        <h1>Runs</h1>
      </header>
      <div className="bar">
        <ToggleButtonGroup
          className="toggles"
          aria-label="Status"
          selectionMode="multiple"
          selectedKeys={statuses}
          onSelectionChange={(keys) => ask({ status: STATUSES.filter((each) => keys.has(each)) })}
        >
          {STATUSES.map((status) => (
            <ToggleButton key={status} id={status} className="toggle">
              {statusWord(status)}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <Picker
          label="Workflow"
          options={[
            { key: ANY, label: "All workflows" },
            ...(workflows ?? []).map(({ id, name }) => ({ key: id, label: name })),
          ]}
          value={workflow}
          onChange={(id) => ask({ workflow: id === ANY ? [] : [id] })}
        />
        {own.length > 1 && (
          <Picker
            label="Namespace"
            options={[{ key: ANY, label: "All namespaces" }, ...own.map((each) => ({ key: each, label: each }))]}
            value={own.includes(namespace) ? namespace : ANY}
            onChange={(name) => ask({ namespace: name === ANY ? [] : [name] })}
          />
        )}
      </div>
      <List key={JSON.stringify(filter)} filter={filter} limit={limit} onMore={() => setLimit(limit + PAGE)} />
    </div>
  );
}

interface ListProps {
  filter: { status?: RunStatus[]; workflow_id?: string; namespace?: string };
  limit: number;
  onMore: () => void;
}

function List({ filter, limit, onMore }: ListProps) {
  const list = useRuns(filter, { limit });
  // What is there stays until more of it is.
  const [last, setLast] = useState(list);
  if (list !== last && list.phase !== "loading") setLast(list);
  const { runs, phase, more, error } = list.phase === "loading" ? last : list;
  const isFiltered = Object.keys(filter).length > 0;
  if (error !== null) return <Notice tone="fault">The runs can’t be listed: {error.message}</Notice>;
  if (phase === "loading" && runs.length === 0) return <Skeleton label="Loading the runs" lines={6} />;
  if (runs.length === 0) {
    return isFiltered ? (
      <Empty title="No run is like that">Select other statuses, another workflow or another namespace.</Empty>
    ) : (
      <Empty title="There are no runs yet">
        Start one in the <Link href="/">chat</Link>. It appears here by itself.
      </Empty>
    );
  }
  return (
    <>
      <p className="hint" role="status">
        {counted(runs.length, "run")}
        {more && ", and there are more"}
      </p>
      <RunsTable runs={runs} />
      {more && limit < MOST && (
        <Button isPending={list.phase === "loading"} onPress={onMore}>
          Show more
        </Button>
      )}
      {more && limit >= MOST && <p className="hint">To see older ones, select a status or a workflow.</p>}
    </>
  );
}

function RunsTable({ runs }: { runs: readonly RunSummary[] }) {
  return (
    <div className="table-box">
      <table aria-label="Runs" className="cards">
        <thead>
          <tr>
            <th scope="col">Workflow</th>
            <th scope="col">Status</th>
            <th scope="col">Waits for</th>
            <th scope="col">Started by</th>
            <th scope="col">Started</th>
            <th scope="col">Changed</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <RunRow key={run.run_id} run={run} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunRow({ run }: { run: RunSummary }) {
  const { nameOf } = useWorkflows();
  const [first] = run.pending;
  return (
    <tr>
      <th scope="row">
        <Link href={pathOf({ runId: run.run_id, workflowId: run.workflow_id })} className="link">
          {nameOf(run.workflow_id)}
        </Link>
        <code className="hint id">{run.run_id}</code>
      </th>
      <td>
        <Status status={run.status} />
      </td>
      <td>
        {first && `${asksOf(first.kind)}: ${first.step_name}`}
        {run.pending.length > 1 && ` and ${run.pending.length - 1} more`}
      </td>
      <td>{run.user_id}</td>
      <td>
        <Ago at={run.created_at} />
      </td>
      <td>
        <Ago at={run.updated_at} />
      </td>
    </tr>
  );
}
