/** The newest instances of a machine, live. */

import { Link } from "wouter";
import type { RunSummary } from "@interlock/client";
import { useRuns } from "@interlock/client/react";
import { pathOf } from "../run/paths.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Status } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";

const MOST = 50;

/** The list. */
export function Instances({ name }: { name: string }) {
  const { runs, phase, more, error } = useRuns({ workflow_id: name }, { limit: MOST });
  if (error !== null) return <Notice tone="fault">The instances can’t be listed: {error.message}</Notice>;
  if (phase === "loading" && runs.length === 0) return <Skeleton label="Loading the instances" lines={4} />;
  if (runs.length === 0)
    return <Empty title="No instance yet">Try this version. Its instances appear here by themselves.</Empty>;
  return (
    <div className="stack">
      <div className="table-box">
        <table aria-label="Instances" className="cards">
          <thead>
            <tr>
              <th scope="col">Instance</th>
              <th scope="col">Status</th>
              <th scope="col">Is at</th>
              <th scope="col">Started by</th>
              <th scope="col">Started</th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <Row key={run.run_id} run={run} />
            ))}
          </tbody>
        </table>
      </div>
      {more && (
        <p className="hint">
          The newest {MOST}. <Link href="/runs">All runs</Link> are on a page of their own.
        </p>
      )}
    </div>
  );
}

function Row({ run }: { run: RunSummary }) {
  return (
    <tr>
      <th scope="row">
        <Link href={pathOf({ runId: run.run_id, workflowId: run.workflow_id })} className="link">
          <code>{run.run_id}</code>
        </Link>
      </th>
      <td>
        <Status status={run.status} />
      </td>
      <td>{run.pending.map(({ step_name: state }) => state).join(", ")}</td>
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
