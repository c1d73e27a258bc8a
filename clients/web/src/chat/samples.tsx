/** The first screen of a conversation: what there is to start, and examples that start it at one click. */

import { useState } from "react";
import { Play } from "lucide-react";
import type { JsonValue } from "@interlock/client";
import { useWorkflows, type Workflow } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Empty, Notice } from "../ui/notice.tsx";
import { errorOf } from "../ui/use-answer.ts";

interface SamplesProps {
  start: (workflowId: string, message: JsonValue) => Promise<void>;
}

/** What a conversation begins with. */
export function Samples({ start }: SamplesProps) {
  const { workflows } = useWorkflows();
  const tried = (workflows ?? []).filter((each) => (each.examples ?? []).length > 0);
  return (
    <div className="samples">
      <Empty title="Start a run">
        Pick a workflow below, and write what it is to begin with. What it does is shown here, and when it waits for
        you, you decide here.
      </Empty>
      {tried.length > 0 && (
        <section aria-label="Examples" className="stack">
          <h2>Or try one</h2>
          <ul className="sample-list">
            {tried.map((workflow) => (
              <Sample key={workflow.id} workflow={workflow} start={start} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Sample({ workflow, start }: SamplesProps & { workflow: Workflow }) {
  const [fault, setFault] = useState<string | null>(null);
  const begin = (message: JsonValue) => {
    setFault(null);
    start(workflow.id, message).catch((error: unknown) => setFault(errorOf(error).message));
  };
  return (
    <li className="sample">
      <strong>{workflow.name}</strong>
      {workflow.description && <p className="hint">{workflow.description}</p>}
      <div className="actions">
        {(workflow.examples ?? []).map(({ title, message }) => (
          <Button key={title} small onPress={() => begin(message)}>
            <Play size={14} aria-hidden /> {title}
          </Button>
        ))}
      </div>
      {fault && <Notice tone="fault">{fault}</Notice>}
    </li>
  );
}
