/** The form of one tool: approval, values, answers, or a result. */

import { useMemo, useState } from "react";
import type { DecidedExecutorRequirement, ExecutorRequirement, JsonValue } from "@interlock/client";
import { schemaOf } from "../forms/fields.ts";
import { JsonForm } from "../forms/lazy.tsx";
import { Button } from "../ui/button.tsx";
import { draftOf, useDraft } from "../ui/draft.ts";
import { Checkbox, Choice, TextField } from "../ui/fields.tsx";
import { parsed } from "../ui/format.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { Several } from "./route.tsx";
import { fieldsOf, isEditable, kindOfTool, questionsOf } from "./tool-kinds.ts";
import { useDecide } from "./use-decide.ts";

type Send = (decision: Omit<DecidedExecutorRequirement, "id">) => void;

interface PartProps {
  tool: ExecutorRequirement;
  isBusy: boolean;
  send: Send;
  faultOf: (field: string) => string | undefined;
}

/** The form that fits the tool. */
export function ToolForm({
  question,
  tool,
  isBusy,
}: {
  question: StepQuestion;
  tool: ExecutorRequirement;
  isBusy: boolean;
}) {
  const { send: decide, faults, faultOf } = useDecide(question.id, tool.id);
  const send: Send = (decision) => decide({ executor_requirements: [{ id: tool.id, ...decision }] });
  const part = { tool, isBusy, send, faultOf };
  const schema = useMemo(() => schemaOf(fieldsOf(tool)), [tool]);
  switch (kindOfTool(tool)) {
    case "confirmation":
      return <Approval {...part} />;
    case "user_feedback":
      return <Feedback {...part} />;
    case "external_execution":
      return <Result {...part} />;
    case "user_input":
      return (
        <JsonForm
          draft={`${tool.id}/form`}
          schema={schema}
          label="Values"
          submit="Send"
          isBusy={isBusy}
          faults={faults}
          onSubmit={(values) => send({ user_input_schema: namedOf(values) })}
        />
      );
  }
}

function namedOf(values: Record<string, JsonValue>) {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

/** What somebody wrote in the form of an approval: null where the arguments are as they were. */
interface Written {
  text: string | null;
  note: string;
}

const UNWRITTEN: Written = { text: null, note: "" };

function argumentsAsJson(tool: ExecutorRequirement): string {
  return JSON.stringify(tool.tool_execution?.tool_args ?? {}, null, 2);
}

/** The decision that approves with what was written, or what is wrong with that. */
function approvalWith(tool: ExecutorRequirement, { text, note }: Written) {
  const noted = note === "" ? {} : { confirmation_note: note };
  const edited = text === null || text === argumentsAsJson(tool) ? null : parsed(text);
  if (edited === null) return { noted, decision: { confirmation: true, ...noted } };
  if ("fault" in edited) return { noted, wrong: edited.fault };
  if (!isObject(edited.value)) return { noted, wrong: "Give an object." };
  const edited_args = edited.value as Record<string, JsonValue>;
  return { noted, decision: { confirmation: true, ...noted, edited_args } };
}

/** Approves a tool with what is written in its form by now; null where that can't be sent. */
export function approvalOf(tool: ExecutorRequirement): DecidedExecutorRequirement | null {
  const { decision } = approvalWith(tool, draftOf(`${tool.id}/written`, UNWRITTEN));
  return decision === undefined ? null : { id: tool.id, ...decision };
}

function Approval({ tool, isBusy, send, faultOf }: PartProps) {
  const [written, write] = useDraft(`${tool.id}/written`, UNWRITTEN);
  const { text, note } = written;
  const { noted, decision, wrong } = approvalWith(tool, written);
  return (
    <div className="stack">
      {text !== null && (
        <TextField
          label="Arguments, as JSON"
          rows={6}
          code
          value={text}
          onChange={(next) => write({ text: next, note })}
          error={wrong ?? faultOf("edited_args")}
        />
      )}
      <TextField
        label="Note for the agent (optional)"
        value={note}
        onChange={(next) => write({ text, note: next })}
        error={faultOf("confirmation_note")}
      />
      <div className="actions">
        <Button
          tone="primary"
          isPending={isBusy}
          isDisabled={decision === undefined}
          onPress={() => decision && send(decision)}
        >
          {decision && !("edited_args" in decision) ? "Approve" : "Approve with these arguments"}
        </Button>
        <Button tone="danger" isDisabled={isBusy} onPress={() => send({ confirmation: false, ...noted })}>
          Deny
        </Button>
        {isEditable(tool) && text === null && (
          <Button isDisabled={isBusy} onPress={() => write({ text: argumentsAsJson(tool), note })}>
            Change the arguments…
          </Button>
        )}
      </div>
    </div>
  );
}

function isObject(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function Feedback({ tool, isBusy, send, faultOf }: PartProps) {
  const questions = questionsOf(tool);
  const [answers, setAnswers] = useDraft<Record<string, string[]>>(`${tool.id}/answers`, {});
  const [isAsked, setAsked] = useState(false);
  const isWhole = questions.every(({ text }) => (answers[text]?.length ?? 0) > 0);
  const set = (text: string, keys: string[]) => setAnswers({ ...answers, [text]: keys });
  const schema = () => questions.map(({ text }) => ({ question: text, selected_options: answers[text] ?? [] }));
  return (
    <form
      className="stack"
      aria-label="Questions"
      onSubmit={(event) => {
        event.preventDefault();
        setAsked(true);
        if (isWhole) send({ user_feedback_schema: schema() });
      }}
    >
      {questions.map(({ text, options, several }) => {
        const given = answers[text] ?? [];
        const error = faultOf(text) ?? (isAsked && given.length === 0 ? "Select an answer." : undefined);
        const common = { label: text, options, error };
        return several ? (
          <Several key={text} {...common} value={given} onChange={(keys) => set(text, keys)} />
        ) : (
          <Choice key={text} {...common} value={given[0] ?? null} onChange={(key) => set(text, [key])} />
        );
      })}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Answer
        </Button>
      </div>
    </form>
  );
}

function Result({ tool, isBusy, send, faultOf }: PartProps) {
  const [text, setText] = useDraft(`${tool.id}/result`, "");
  const [isJson, setJson] = useDraft(`${tool.id}/json`, false);
  const given = isJson ? parsed(text) : { value: text };
  const wrong = text !== "" && "fault" in given ? given.fault : undefined;
  return (
    <form
      className="stack"
      aria-label="Result"
      onSubmit={(event) => {
        event.preventDefault();
        if ("value" in given) send({ external_execution_result: given.value });
      }}
    >
      <TextField
        label="What it came to"
        description="This tool is executed elsewhere. Run it, and give its result."
        rows={3}
        code={isJson}
        value={text}
        onChange={setText}
        error={wrong ?? faultOf("external_execution_result")}
      />
      <Checkbox isSelected={isJson} onChange={setJson}>
        It is JSON
      </Checkbox>
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy} isDisabled={text === "" || "fault" in given}>
          Give the result
        </Button>
      </div>
    </form>
  );
}
