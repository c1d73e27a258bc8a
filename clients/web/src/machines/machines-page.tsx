/** The machines of one's account: which there are, which version of each is current, and what is still a draft. */

import { Pencil, Plus } from "lucide-react";
import { Link } from "wouter";
import type { MachineSummary } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { useWorkflows } from "../session/workflows.ts";
import { useDraft } from "../ui/draft.ts";
import { TextField } from "../ui/fields.tsx";
import { counted } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { useAnswer } from "../ui/use-answer.ts";
import { editorOf, machineOf } from "./paths.ts";
import { Sections } from "./sections.tsx";

/** `#/machines`. */
export function MachinesPage() {
  useTitle("Machines");
  return (
    <div className="page">
      <Sections current="machines" />
      <header className="page-head">
        <h1>Machines</h1>
        <span className="spacer" />
        <Link href={editorOf()} className="button primary">
          <Plus size={16} aria-hidden /> New machine
        </Link>
      </header>
      <List />
    </div>
  );
}

function List() {
  const { client } = useInterlock();
  const { data, error, again } = useAnswer("machines", () => client.machines.list());
  const [text, setText] = useDraft("machines/find", "");
  const { workflows } = useWorkflows();
  if (data === null && error !== null) {
    return (
      <Notice tone="fault" again={again}>
        The machines can’t be listed: {error.message}
      </Notice>
    );
  }
  if (data === null) return <Skeleton label="Loading the machines" lines={6} />;
  if (data.length === 0) {
    return (
      <Empty title="There are no machines yet">
        A machine is a workflow as JSON: states, and what leads from one to another. Begin{" "}
        <Link href={editorOf()}>a new one</Link> with an example.
      </Empty>
    );
  }
  const descriptions = new Map(workflows?.map(({ id, description }) => [id, description]));
  const found = data.filter(({ name }) => isFound(text, name, descriptions.get(name)));
  return (
    <>
      <div className="bar centred">
        <TextField
          label="Find machines"
          bare
          placeholder="Find a machine"
          type="search"
          value={text}
          onChange={setText}
        />
        <span className="hint" role="status">
          {text.trim() === ""
            ? counted(data.length, "machine")
            : `${found.length} of ${counted(data.length, "machine")}`}
        </span>
      </div>
      {error && (
        <Notice tone="fault" again={again}>
          The list may be out of date: {error.message}
        </Notice>
      )}
      {found.length === 0 ? (
        <Empty title="No machine is called that">Look for something else.</Empty>
      ) : (
        <Table machines={found} descriptionOf={(name) => descriptions.get(name) ?? null} />
      )}
    </>
  );
}

function isFound(text: string, ...parts: (string | null | undefined)[]): boolean {
  const wanted = text.trim().toLowerCase();
  return parts.some((part) => part?.toLowerCase().includes(wanted));
}

interface TableProps {
  machines: readonly MachineSummary[];
  descriptionOf: (name: string) => string | null;
}

function Table({ machines, descriptionOf }: TableProps) {
  return (
    <div className="table-box">
      <table aria-label="Machines" className="cards machines">
        <thead>
          <tr>
            <th scope="col">Machine</th>
            <th scope="col">Current version</th>
            <th scope="col">Published</th>
            <th scope="col">Drafts</th>
            <th scope="col">
              <span className="unseen">Edit</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {machines.map((machine) => (
            <Row key={machine.name} machine={machine} description={descriptionOf(machine.name)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ machine, description }: { machine: MachineSummary; description: string | null }) {
  const { name, published_version_id: current, published_at: at, drafts = 0, latest_version_id: latest } = machine;
  return (
    <tr>
      <th scope="row">
        <Link href={machineOf(name)} className="link">
          {name}
        </Link>
        {description !== null && <span className="hint about">{description}</span>}
      </th>
      <td>
        {current === null ? <span className="badge ask">Not published</span> : <code className="hint">{current}</code>}
      </td>
      <td>{at ? <Ago at={Date.parse(at)} /> : ""}</td>
      <td>{drafts > 0 ? counted(drafts, "draft") : ""}</td>
      <td className="end">
        <Link href={editorOf(name, latest)} className="button quiet small" aria-label={`Edit ${name}`}>
          <Pencil size={14} aria-hidden /> Edit
        </Link>
      </td>
    </tr>
  );
}
