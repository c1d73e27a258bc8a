/**
 * A new subscription.
 *
 * Laws:
 * - A secret that the server made is shown once, and can't be left by a key or a click beside it: it has to be said that
 *   it is kept.
 */

import { useState } from "react";
import type { InterlockError, Subscription } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Checkbox, Picker, TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { Secret } from "./secret.tsx";
import { EVENTS } from "./words.ts";

const ALL = " all";
const EVERYWHERE = "*";

interface CreateProps {
  isOpen: boolean;
  onClose: () => void;
  onDone: (made: Subscription) => void;
}

/** The form, and then the secret. */
export function CreateDialog({ isOpen, onClose, onDone }: CreateProps) {
  const [made, setMade] = useState<Subscription | null>(null);
  const done = () => {
    if (made !== null) onDone(made);
    setMade(null);
  };
  return (
    <Dialog
      title={made === null ? "New subscription" : "Keep the secret"}
      isOpen={isOpen}
      onClose={made === null ? onClose : done}
      mustAnswer={made !== null}
    >
      {made === null ? <CreateForm onMade={setMade} onClose={onClose} /> : <Secret subscription={made} onKept={done} />}
    </Dialog>
  );
}

function CreateForm({ onMade, onClose }: { onMade: (made: Subscription) => void; onClose: () => void }) {
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(EVENTS.map(({ event }) => event)));
  const own = useInterlock().connection.namespaces;
  const ownsAll = own.includes(EVERYWHERE);
  const [namespace, setNamespace] = useState(ownsAll ? ALL : (own[0] ?? ALL));
  const { create, isBusy, error } = useCreating(onMade);
  const said = new Map(error?.fields.map((each) => [each.field, each.error]));
  const isTold = [...said.keys()].some((field) => field === "url" || field.startsWith("events"));
  const names = own.filter((each) => each !== EVERYWHERE);
  const options = [
    ...(ownsAll ? [{ key: ALL, label: "All of the account" }] : []),
    ...names.map((key) => ({ key, label: key })),
  ];
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void create(url.trim(), [...chosen], namespace === ALL ? null : namespace, description.trim());
      }}
    >
      <TextField
        label="Address"
        type="url"
        placeholder="https://example.com/webhooks"
        description="Events are posted there, as JSON."
        value={url}
        isRequired
        autoFocus
        error={said.get("url") ?? (error?.code === "invalid_webhook" ? error.message : null)}
        onChange={setUrl}
      />
      <EventChoice chosen={chosen} onChange={setChosen} error={said.get("events") ?? null} />
      {options.length > 1 && (
        <Picker label="Of whose runs" options={options} value={namespace} onChange={setNamespace} />
      )}
      <TextField label="What it is for (optional)" value={description} onChange={setDescription} maxLength={500} />
      {error && error.code !== "invalid_webhook" && !isTold && <Notice tone="fault">{error.message}</Notice>}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy} isDisabled={url.trim() === "" || chosen.size === 0}>
          Subscribe
        </Button>
        <Button tone="quiet" onPress={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function useCreating(onMade: (made: Subscription) => void) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const create = async (url: string, events: string[], namespaceFilter: string | null, description: string) => {
    setBusy(true);
    setError(null);
    try {
      const made = await client.webhooks.subscribe(url, events, {
        ...(namespaceFilter === null ? {} : { namespaceFilter }),
        ...(description === "" ? {} : { description }),
      });
      announce("The subscription is made.");
      onMade(made);
    } catch (fault) {
      setError(errorOf(fault));
    } finally {
      setBusy(false);
    }
  };
  return { create, isBusy, error };
}

interface EventChoiceProps {
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
  error: string | null;
}

/** Which events. */
export function EventChoice({ chosen, onChange, error }: EventChoiceProps) {
  const change = (event: string, isChosen: boolean) => {
    const next = new Set(chosen);
    if (isChosen) next.add(event);
    else next.delete(event);
    onChange(next);
  };
  return (
    <fieldset className="field">
      <legend className="label">Events</legend>
      {EVENTS.map(({ event, name, tells }) => (
        <Checkbox key={event} isSelected={chosen.has(event)} onChange={(isChosen) => change(event, isChosen)}>
          {name} <span className="hint">· {tells}</span>
        </Checkbox>
      ))}
      {error && <span className="fault">{error}</span>}
    </fieldset>
  );
}
