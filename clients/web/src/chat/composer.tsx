/**
 * What is written below the conversation: the answer to what waits, or what the next run is started with.
 *
 * Laws:
 * - While something waits, a text answers it (`answering.tsx`); a run is started where the person says so.
 * - What was written stays, also while another page is shown, and when another workflow is picked. What was sent isn't
 *   here any more: it is among the outgoing, or in its run. Only what the server refuses comes back.
 * - Enter sends, Shift and Enter begin a new line.
 */

import { useEffect, useEffectEvent, useMemo, useState } from "react";
import { Send } from "lucide-react";
import { InterlockError, type FieldFault, type JsonValue, type Run } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { JsonForm } from "../forms/lazy.tsx";
import { wantsForm } from "../forms/simplified.ts";
import { CancelButton } from "../run/cancel.tsx";
import { isConnectedNow, isPutOff, useIsConnected } from "../session/outbox.ts";
import { useWorkflows, type Workflow } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { draftOf, dropDrafts, useDraft, writeDraft } from "../ui/draft.ts";
import { Checkbox, Picker, TextField, type TextFieldProps } from "../ui/fields.tsx";
import { parsed, textOfValue } from "../ui/format.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { ANEW, AskedBack, questionOf, Target, useAnswering, type Answering } from "./answering.tsx";
import { useOpenRuns } from "./open-runs.ts";
import type { Returned } from "./outgoing.tsx";
import { refuse, select, spoke, useConversation } from "./store.ts";

/** What a `Composer` takes. */
export interface ComposerProps {
  /** Starts a run; a message that mustn't be kept is written to no storage. */
  start: (workflowId: string, message: JsonValue, keep: boolean) => Promise<Run>;
  /** How often a message was taken back, to be written again. */
  returns: number;
}

/** The fields below the conversation. */
export function Composer({ start, returns }: ComposerProps) {
  const { workflows, fault, again } = useWorkflows();
  const { workflowId } = useConversation();
  const answering = useAnswering(useInterlock().connection.userId);
  const isAnswer = answering.target !== ANEW;
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
    <section className="composer" aria-label={isAnswer ? "Answer" : "New run"}>
      <Target answering={answering} />
      {selected && <Message workflow={selected} start={start} returns={returns} answering={answering} />}
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

type MessageProps = ComposerProps & { workflow: Workflow; answering: Answering };

/** Writes a message again, for its workflow; the composer has it when it is drawn anew. What is written there stays. */
export function writeAgain({ workflowId, message }: Returned): void {
  select(workflowId);
  writeDraft(`input/${workflowId}`, message);
  if (draftOf<string>("message", "") !== "") return;
  writeDraft("message", textOfValue(message));
  writeDraft("message is JSON", typeof message !== "string");
}

function Message({ workflow, start, returns, answering }: MessageProps) {
  const [sent, setSent] = useState(0);
  const draft = `input/${workflow.id}`;
  const clear = () => setSent((before) => before + 1);
  const { send, isBusy, error } = useSending(workflow, start, () => dropDrafts(draft), clear);
  const faults = useMemo(() => faultsIn(error), [error]);
  const isForm = answering.target === ANEW && wantsForm(workflow.input_schema);
  if (!isForm)
    return (
      <TextMessage key={returns} workflow={workflow} send={send} isBusy={isBusy} error={error} answering={answering} />
    );
  return (
    <>
      <WorkflowPicker selected={workflow.id} />
      <JsonForm
        key={`${workflow.id} ${sent} ${returns}`}
        draft={draft}
        schema={workflow.input_schema}
        label={`Input of ${workflow.name}`}
        submit="Start"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => void send(values)}
      />
      {error && faults.length === 0 && <Notice tone="fault">{error.message}</Notice>}
      <div className="actions">
        <Stop />
      </div>
    </>
  );
}

/** What is wrong, by the fields of the message. */
function faultsIn(error: InterlockError | null): FieldFault[] {
  return (error?.fields ?? []).map(({ field, error }) => ({ field: field.replace(/^message\.?/, ""), error }));
}

/** A message on its way; it is gone where it is among the outgoing, which tell what becomes of it. */
interface Sending {
  isGone: boolean;
}

/**
 * How a message is sent. `leave` is called when it leaves the composer, `clear` when the composer is for the next one: at
 * the latest when the connection is lost, as what was sent is among the outgoing then.
 */
function useSending(workflow: Workflow, start: ComposerProps["start"], leave: () => void, clear: () => void) {
  const [sending, setSending] = useState<Sending | null>(null);
  const { client } = useInterlock();
  const [failed, setFailed] = useState<{ workflowId: string; error: InterlockError } | null>(null);
  const isConnected = useIsConnected();
  const { sessionId } = useConversation();
  const goneNow = useEffectEvent((each: Sending) => {
    each.isGone = true;
    setSending(null);
    clear();
  });
  useEffect(() => {
    if (sending === null) return undefined;
    return client.subscribe(() => !isConnectedNow(client) && goneNow(sending));
  }, [client, sending]);
  const send = async (message: JsonValue): Promise<InterlockError | null> => {
    const now: Sending = { isGone: !isConnected };
    setFailed(null);
    leave();
    if (isConnected) setSending(now);
    else clear();
    try {
      const keep = !JSON.stringify(workflow.input_schema).includes('"writeOnly":true');
      const run = await start(workflow.id, message, keep);
      spoke({ runId: run.runId, workflowId: workflow.id }, run.view.sessionId);
      if (!now.isGone) clear();
      return null;
    } catch (fault) {
      const error = fault instanceof InterlockError ? fault : new InterlockError("internal", String(fault));
      if (error.code === "taken_back" || isPutOff(error.code)) return null;
      if (now.isGone) {
        refuse({ id: `${Date.now()}`, workflowId: workflow.id, message, sessionId, sentence: error.message });
        return null;
      }
      setFailed({ workflowId: workflow.id, error });
      return error;
    } finally {
      setSending((before) => (before === now ? null : before));
    }
  };
  const error = failed?.workflowId === workflow.id ? failed.error : null;
  return { send, isBusy: sending !== null && isConnected, error };
}

interface TextMessageProps {
  workflow: Workflow;
  send: (message: JsonValue) => Promise<InterlockError | null>;
  isBusy: boolean;
  error: InterlockError | null;
  answering: Answering;
}

function TextMessage({ workflow, send, isBusy, error, answering }: TextMessageProps) {
  const [text, setText] = useDraft("message", "");
  const [asJson, setJson] = useDraft("message is JSON", false);
  const [fault, setFault] = useState<string | null>(null);
  const isAnswer = answering.target !== ANEW;
  const isJson = asJson && !isAnswer;
  const write = (value: string) => {
    answering.written(value, text);
    setText(value);
    setFault(null);
  };
  const start = async () => {
    const message = isJson ? parsed(text) : { value: text };
    if ("fault" in message) setFault(message.fault);
    else if (!isBusy) {
      setText("");
      const refused = await send(message.value);
      // What was written meanwhile isn't overwritten.
      if (refused && draftOf<string>("message", "") === "") setText(text);
    }
  };
  const submit = () => {
    if (!isAnswer) return void start();
    if (text.trim() === "" || answering.isBusy) return;
    // A form is filled in first: the text stays beside it.
    const startAnew = () => void (wantsForm(workflow.input_schema) || start());
    answering.reply(text, { done: () => setText(""), restore: () => setText(text), startAnew });
  };
  return (
    <form
      className="message"
      aria-label="Message"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextField
        label="Message"
        bare
        placeholder={isAnswer ? placeholderOf(answering) : `Message to ${workflow.name}`}
        rows={Math.min(8, Math.max(2, text.split("\n").length))}
        value={text}
        code={isJson}
        onChange={write}
        error={isAnswer ? answering.fault : (fault ?? error?.message)}
        onKeyDown={onEnter(submit)}
      />
      <AskedBack answering={answering} />
      <div className="actions">
        {!isAnswer && <ForANew workflow={workflow} isJson={asJson} onJson={setJson} />}
        <span className="spacer" />
        <Stop />
        <Button type="submit" tone="primary" isPending={isBusy || answering.isBusy}>
          <Send size={16} aria-hidden /> {isAnswer ? "Answer" : "Send"}
        </Button>
      </div>
    </form>
  );
}

function ForANew(props: { workflow: Workflow; isJson: boolean; onJson: (is: boolean) => void }) {
  return (
    <>
      <WorkflowPicker selected={props.workflow.id} />
      <Checkbox isSelected={props.isJson} onChange={props.onJson}>
        JSON<span className="unseen">: the message is JSON</span>
      </Checkbox>
    </>
  );
}

function placeholderOf({ asked, target }: Answering): string {
  const found = asked.find(({ pending }) => pending.id === target);
  return found ? `Your answer to “${questionOf(found.pending, 40)}”` : "Your answer";
}

/** Stops the newest run of the conversation that hasn't ended, after a question. */
function Stop() {
  const run = useOpenRuns().at(-1);
  return run ? <CancelButton view={run.view} cancel={run.cancel} label="Stop" small /> : null;
}

function onEnter(submit: () => void): NonNullable<TextFieldProps["onKeyDown"]> {
  return (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return event.continuePropagation();
    event.preventDefault();
    submit();
    return undefined;
  };
}

/** Whether Enter ends a word that is being put together, as in Japanese. */
function isComposing(event: { nativeEvent?: unknown }): boolean {
  return (event.nativeEvent as KeyboardEvent | undefined)?.isComposing === true;
}
