/** Running a graph to try it: a form of its blanks, as the endpoint takes them. */

import { useState } from "react";
import { Play } from "lucide-react";
import type { FieldFault, GraphEndpoint, InterlockError, JsonValue } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { JsonForm } from "../forms/lazy.tsx";
import type { Schema } from "../session/workflows.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { dropDrafts } from "../ui/draft.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { errorOf, useAnswer } from "../ui/use-answer.ts";

interface TryProps {
  name: string;
  isActive: boolean;
  /** What is on the canvas isn't what the endpoint runs. */
  isAhead: boolean;
  onSession: (sessionId: string) => void;
}

/** The button, and the dialog that it opens. */
export function TryGraph(props: TryProps) {
  const [isOpen, setOpen] = useState(false);
  const started = (id: string) => {
    setOpen(false);
    props.onSession(id);
  };
  return (
    <>
      <Button small isDisabled={!props.isActive} onPress={() => setOpen(true)}>
        <Play size={14} aria-hidden /> Try it…
      </Button>
      <Dialog title={`Try ${props.name}`} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Asked {...props} onSession={started} />
      </Dialog>
    </>
  );
}

function Asked(props: TryProps) {
  const { client } = useInterlock();
  const { data, error, again } = useAnswer(`endpoint ${props.name}`, () => client.graphs.endpoint(props.name));
  if (error && data === null) {
    return (
      <Notice tone="fault" again={again}>
        {error.message}
      </Notice>
    );
  }
  if (data === null) return <Skeleton label="Loading what it asks for" />;
  return <Form {...props} endpoint={data} />;
}

function Form({ name, isAhead, onSession, endpoint }: TryProps & { endpoint: GraphEndpoint }) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const draft = `graph ${name}/try`;
  const run = async (blanks: Record<string, JsonValue>) => {
    setBusy(true);
    setError(null);
    try {
      const { session_id: id } = await client.graphs.run(name, blanks, { key: crypto.randomUUID() });
      dropDrafts(draft);
      announce("The session has begun.");
      onSession(id);
    } catch (fault) {
      setError(errorOf(fault));
      setBusy(false);
    }
  };
  const { schema, names } = flat(endpoint.body_schema as Schema);
  const faults = (error?.fields ?? []).map((each): FieldFault => ({ ...each, field: names.get(each.field) ?? "" }));
  const isEmpty = Object.keys((schema["properties"] ?? {}) as Schema).length === 0;
  return (
    <div className="stack">
      {isAhead && <Notice>This runs the active version, not what is on the canvas now.</Notice>}
      <p className="hint">{isEmpty ? "It leaves nothing blank: it just runs." : "What the graph leaves blank:"}</p>
      <JsonForm
        draft={draft}
        schema={schema}
        label="Blanks"
        submit="Run"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => void run(unflat(values, names))}
      />
      {error && faults.length === 0 && <Notice tone="fault">{error.message}</Notice>}
    </div>
  );
}

/** A form library takes a dot in a name for a step inside: `A.text` is a field of its own here. */
function flat(schema: Schema): { schema: Schema; names: Map<string, string> } {
  const names = new Map<string, string>();
  const other = (name: string) => {
    const free = name.replaceAll(".", " › ");
    names.set(name, free);
    return free;
  };
  const properties = Object.entries((schema["properties"] ?? {}) as Schema).map(([name, each]) => {
    const inner = typeof each === "object" && each !== null && !Array.isArray(each) ? each : {};
    return [other(name), { ...inner, title: name }] as const;
  });
  const required = Array.isArray(schema["required"])
    ? schema["required"].filter((name) => typeof name === "string").map(other)
    : [];
  return { schema: { ...schema, type: "object", properties: Object.fromEntries(properties), required }, names };
}

function unflat(values: Record<string, JsonValue>, names: Map<string, string>): Record<string, JsonValue> {
  const back = new Map([...names].map(([name, free]) => [free, name]));
  return Object.fromEntries(Object.entries(values).map(([free, value]) => [back.get(free) ?? free, value]));
}
