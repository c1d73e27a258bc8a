/** The graphs of one's account: which there are, which endpoints answer, and the way to a new one. */

import "../styles/graphs.css";
import { useState } from "react";
import { Plus } from "lucide-react";
import { Link, useLocation } from "wouter";
import type { GraphSummary } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDraft } from "../ui/draft.ts";
import { TextField } from "../ui/fields.tsx";
import { counted } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { useAnswer } from "../ui/use-answer.ts";
import { EndpointButton } from "./endpoint.tsx";
import { emptyGraph, isName } from "./model.ts";
import { graphPathOf } from "./paths.ts";
import { keptAs, type KeptWork } from "./use-graph.ts";

/** The name of a route below graphs, not of a graph. */
const RESERVED = ["sessions", "validate"];

/** `#/graphs`. */
export function GraphsPage() {
  useTitle("Graphs");
  const { client } = useInterlock();
  const { data, error, again } = useAnswer("graphs", () => client.graphs.list());
  return (
    <div className="page">
      <header className="page-head">
        <h1>Graphs</h1>
        <span className="spacer" />
        <NewGraph taken={data ?? []} />
      </header>
      {error && (
        <Notice tone="fault" again={again}>
          {data === null ? "The graphs can’t be listed" : "The list may be out of date"}: {error.message}
        </Notice>
      )}
      {data === null && error === null && <Skeleton label="Loading the graphs" lines={6} />}
      {data?.length === 0 && (
        <Empty title="There are no graphs yet">
          A graph is tasks and what leads from one to another, behind an endpoint of its own. Begin a new one, and draw
          it.
        </Empty>
      )}
      {data !== null && data.length > 0 && <Table graphs={data} />}
    </div>
  );
}

function NewGraph({ taken }: { taken: readonly GraphSummary[] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button tone="primary" onPress={() => setOpen(true)}>
        <Plus size={16} aria-hidden /> New graph
      </Button>
      <Dialog title="New graph" isOpen={isOpen} onClose={() => setOpen(false)}>
        <NameForm taken={taken} />
      </Dialog>
    </>
  );
}

function NameForm({ taken }: { taken: readonly GraphSummary[] }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState(() => freeName(taken));
  const [isAsked, setAsked] = useState(false);
  const [, keep] = useDraft<KeptWork | null>(keptAs(name), null);
  const fault = whyNot(name, taken);
  const begin = () => {
    setAsked(true);
    if (fault !== null) return;
    keep({ graph: emptyGraph(name), base: null });
    navigate(graphPathOf(name));
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
    >
      <TextField
        label="Name"
        description="It stands in the address of the endpoint, and can’t be changed later."
        autoFocus
        value={name}
        onChange={setName}
        error={isAsked ? fault : null}
      />
      <div className="actions">
        <Button type="submit" tone="primary">
          Draw it
        </Button>
      </div>
    </form>
  );
}

/** A name to begin with. */
function freeName(taken: readonly GraphSummary[]): string {
  const names = new Set(taken.map(({ name }) => name));
  for (let number = 1; ; number++) if (!names.has(`graph-${number}`)) return `graph-${number}`;
}

function whyNot(name: string, taken: readonly GraphSummary[]): string | null {
  if (!isName(name)) return "A name has 1 to 64 letters, digits, _ and -.";
  if (RESERVED.includes(name)) return "This word has a meaning of its own in addresses: take another one.";
  return taken.some((each) => each.name === name) ? "There is a graph of this name already." : null;
}

function Table({ graphs }: { graphs: readonly GraphSummary[] }) {
  return (
    <div className="table-box">
      <table aria-label="Graphs" className="cards machines">
        <thead>
          <tr>
            <th scope="col">Graph</th>
            <th scope="col">Endpoint</th>
            <th scope="col">Activated, or made</th>
            <th scope="col">Drafts</th>
            <th scope="col">
              <span className="unseen">The request</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {graphs.map((graph) => (
            <Row key={graph.name} graph={graph} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ graph }: { graph: GraphSummary }) {
  const { name, active, published_at: at, created_at: made, drafts = 0 } = graph;
  return (
    <tr>
      <th scope="row">
        <Link href={graphPathOf(name)} className="link">
          {name}
        </Link>
      </th>
      <td>{active ? <span className="badge good">Active</span> : <span className="badge calm">Not active</span>}</td>
      <td>
        <Ago at={Date.parse(at ?? made)} />
      </td>
      <td>{drafts > 0 ? counted(drafts, "draft") : ""}</td>
      <td className="end">
        <EndpointButton name={name} isActive={active} tone="quiet" />
      </td>
    </tr>
  );
}
