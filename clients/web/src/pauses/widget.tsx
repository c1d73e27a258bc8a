/**
 * A widget: what its author made for this question, in a frame that can do nothing but answer it.
 *
 * Laws:
 * - What is half done is kept with the other drafts, and dropped when it was sent.
 * - The widget hears of a refusal, and the card tells it, too.
 * - Where it can't be shown, the question can be answered without it.
 */

import { useId, useState } from "react";
import type { InterlockError, JsonValue } from "@interlock/client";
import { WidgetRenderer } from "@interlock/client/react";
import { session, useSession } from "../session/context.ts";
import { Button } from "../ui/button.tsx";
import { draftOf, useDraft } from "../ui/draft.ts";
import { TextField } from "../ui/fields.tsx";
import { parsed } from "../ui/format.ts";
import { answer } from "./answers.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { useScene } from "./run-context.ts";

interface FormProps {
  question: StepQuestion;
  isBusy: boolean;
}

/** The widget of a question. */
export function WidgetForm({ question, isBusy }: FormProps) {
  const { widget } = question.requirement;
  const { client } = useSession();
  const [stopped, setStopped] = useState<InterlockError | null>(null);
  const draft = `${question.id}/widget`;
  const [begun] = useState(() => draftOf<JsonValue | undefined>(draft, undefined));
  const [, keep] = useDraft<JsonValue | undefined>(draft, undefined);
  const interact = useInteraction(question.id);
  if (widget === undefined) return null;
  return (
    <div className="stack">
      {stopped === null ? (
        <WidgetRenderer
          className="widget"
          widget={widget}
          server={client?.url}
          title={`${widget.bundle}, ${question.requirement.step_name}`}
          draft={begun}
          onDraft={(half) => session.read().client === client && keep(half)} // not on the way out
          onInteraction={interact}
          onError={(error) => error.code === "widget_stopped" && setStopped(error)}
        />
      ) : (
        <ByHand question={question} isBusy={isBusy} why={stopped.message} onAgain={() => setStopped(null)} />
      )}
    </div>
  );
}

/** Answers with an event; rejects where that is refused. */
function useInteraction(id: string) {
  const { decide } = useScene();
  return async (event: string, data: Record<string, JsonValue>): Promise<void> => {
    const refused: unknown[] = [];
    const send = () => decide(id, { interaction_event: event, interaction_data: data });
    await answer([id], () =>
      send().catch((error: unknown) => {
        refused.push(error);
        throw error;
      }),
    );
    if (refused.length > 0) throw refused[0];
  };
}

/** What stands where the widget was stopped: an event by its name, with its data as JSON. */
function ByHand({ question, isBusy, why, onAgain }: FormProps & { why: string; onAgain: () => void }) {
  const events = question.requirement.widget?.events ?? null;
  const [event, setEvent] = useState(events?.[0] ?? "");
  const [text, setText] = useState("{}");
  const [fault, setFault] = useState<string | null>(null);
  const interact = useInteraction(question.id);
  const heading = useId();
  const submit = () => {
    const given = parsed(text.trim() === "" ? "{}" : text);
    const wrong = "fault" in given ? given.fault : isObject(given.value) ? null : "Write an object, in {}.";
    setFault(wrong);
    // A refusal is told by the card.
    if ("value" in given && isObject(given.value)) void interact(event, given.value).catch(() => undefined);
  };
  return (
    <form
      className="stack"
      aria-labelledby={heading}
      onSubmit={(submitted) => {
        submitted.preventDefault();
        submit();
      }}
    >
      <p className="hint" id={heading}>
        The widget was stopped: {why} You can answer without it.
      </p>
      <TextField
        label="Event"
        value={event}
        onChange={setEvent}
        {...(events === null ? {} : { description: `One of: ${events.join(", ")}` })}
      />
      <TextField label="Data, as JSON" rows={3} code value={text} onChange={setText} error={fault} />
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Send
        </Button>
        <Button onPress={onAgain}>Load the widget again</Button>
      </div>
    </form>
  );
}

function isObject(value: JsonValue): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
