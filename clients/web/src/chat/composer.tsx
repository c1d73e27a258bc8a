/**
 * What the next run is started with: a workflow, and a message, a form, or JSON.
 *
 * Laws:
 * - What was written stays until the server has the run for certain, also while another page is shown; a text stays
 *   when another workflow is picked.
 * - Enter sends, Shift and Enter begin a new line.
 */

import { useMemo, useState } from "react";
import { Send } from "lucide-react";
import { InterlockError, type FieldFault, type JsonValue, type Run } from "@interlock/client";
import { JsonForm } from "../forms/lazy.tsx";
import { wantsForm } from "../forms/simplified.ts";
import { useWorkflows, type Workflow } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { dropDrafts, useDraft } from "../ui/draft.ts";
import { Checkbox, Picker, TextField } from "../ui/fields.tsx";
import { parsed } from "../ui/format.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { select, spoke, useConversation } from "./store.ts";

/** What a `Composer` takes. */
export interface ComposerProps {
  start: (workflowId: string, message: JsonValue) => Promise<Run>;
}

/** The fields below the conversation. */
export function Composer({ start }: ComposerProps) {
  const { workflows, fault, again } = useWorkflows();
  const { workflowId } = useConversation();
  if (workflows === null) {
    return (
      <div className="composer">
        {fault === null ? (
          <Skeleton label="Loading the workflows" lines={2} />
        ) : (
          <Notice tone="fault" again={again}>
            {fault}
          </Notice>
        )}
      </div>
    );
  }
  if (workflows.length === 0) {
    return (
      <div className="composer">
        <Notice>This server has no workflows. Give it some: interlock serve MODULE:NAME.</Notice>
      </div>
    );
  }
  const selected = workflows.find((each) => each.id === workflowId) ?? workflows[0];
  return (
    <section className="composer" aria-label="New run">
      {selected && <Message key={selected.id} workflow={selected} start={start} />}
    </section>
  );
}

function WorkflowPicker({ selected }: { selected: string }) {
  const { workflows } = useWorkflows();
  const options = (workflows ?? []).map(({ id, name, description }) => ({
    key: id,
    label: name,
    description: description ?? undefined,
  }));
  return <Picker label="Workflow" bare options={options} value={selected} onChange={select} />;
}

function Message({ workflow, start }: ComposerProps & { workflow: Workflow }) {
  const [sent, setSent] = useState(0);
  const draft = `input/${workflow.id}`;
  const { send, isBusy, error } = useSending(workflow, start, () => {
    dropDrafts(draft);
    setSent((before) => before + 1);
  });
  const faults = useMemo(() => faultsIn(error), [error]);
  if (!wantsForm(workflow.input_schema))
    return <TextMessage workflow={workflow} send={send} isBusy={isBusy} error={error} />;
  return (
    <>
      <WorkflowPicker selected={workflow.id} />
      <JsonForm
        key={sent}
        draft={draft}
        schema={workflow.input_schema}
        label={`Input of ${workflow.name}`}
        submit="Start"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => void send(values)}
      />
      {error && faults.length === 0 && <Notice tone="fault">{error.message}</Notice>}
    </>
  );
}

/** What is wrong, by the fields of the message. */
function faultsIn(error: InterlockError | null): FieldFault[] {
  return (error?.fields ?? []).map(({ field, error }) => ({ field: field.replace(/^message\.?/, ""), error }));
}

function useSending(workflow: Workflow, start: ComposerProps["start"], onSent: () => void) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const send = async (message: JsonValue): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      const run = await start(workflow.id, message);
      spoke({ runId: run.runId, workflowId: workflow.id }, run.view.sessionId);
      onSent();
      return true;
    } catch (fault) {
      setError(fault instanceof InterlockError ? fault : new InterlockError("internal", String(fault)));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { send, isBusy, error };
}

interface TextMessageProps {
  workflow: Workflow;
  send: (message: JsonValue) => Promise<boolean>;
  isBusy: boolean;
  error: InterlockError | null;
}

function TextMessage({ workflow, send, isBusy, error }: TextMessageProps) {
  const [text, setText] = useDraft("message", "");
  const [isJson, setJson] = useDraft("message is JSON", false);
  const [fault, setFault] = useState<string | null>(null);
  const submit = async () => {
    const message = isJson ? parsed(text) : { value: text };
    if ("fault" in message) {
      setFault(message.fault);
      return;
    }
    if (!isBusy && (await send(message.value))) setText("");
    return undefined;
  };
  return (
    <form
      className="message"
      aria-label="Message"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <TextField
        label="Message"
        bare
        placeholder={`Message to ${workflow.name}`}
        rows={Math.min(8, Math.max(2, text.split("\n").length))}
        value={text}
        code={isJson}
        onChange={(value) => {
          setText(value);
          setFault(null);
        }}
        error={fault ?? error?.message}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return event.continuePropagation();
          event.preventDefault();
          void submit();
          return undefined;
        }}
      />
      <div className="actions">
        <WorkflowPicker selected={workflow.id} />
        <Checkbox isSelected={isJson} onChange={setJson}>
          JSON<span className="unseen">: the message is JSON</span>
        </Checkbox>
        <span className="spacer" />
        <Button type="submit" tone="primary" isPending={isBusy}>
          <Send size={16} aria-hidden /> Send
        </Button>
      </div>
    </form>
  );
}

/** Whether Enter ends a word that is being put together, as in Japanese. */
function isComposing(event: { nativeEvent?: unknown }): boolean {
  return (event.nativeEvent as KeyboardEvent | undefined)?.isComposing === true;
}
