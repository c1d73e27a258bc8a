/** Another address, other events. */

import { useState } from "react";
import type { InterlockError, Subscription } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { EventChoice } from "./create.tsx";

interface ChangeProps {
  subscription: Subscription;
  onClose: () => void;
  onDone: () => void;
}

/** The form. */
export function ChangeDialog({ subscription, onClose, onDone }: ChangeProps) {
  const { client } = useInterlock();
  const [url, setUrl] = useState(subscription.url);
  const [description, setDescription] = useState(subscription.description ?? "");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(subscription.events));
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await client.webhooks.change(subscription.id, { url: url.trim(), events: [...chosen], description });
      announce("The subscription is changed.");
      onDone();
    } catch (fault) {
      setError(errorOf(fault));
      setBusy(false);
    }
  };
  const isAddress = error?.code === "invalid_webhook";
  return (
    <Dialog title="Change the subscription" isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <p className="hint">
          What it tells is what you may read from then on. What waits for the receiver goes to the new address.
        </p>
        <TextField
          label="Address"
          type="url"
          value={url}
          isRequired
          autoFocus
          error={isAddress ? error.message : null}
          onChange={setUrl}
        />
        <EventChoice chosen={chosen} onChange={setChosen} error={null} />
        <TextField label="What it is for (optional)" value={description} onChange={setDescription} maxLength={500} />
        {error && !isAddress && <Notice tone="fault">{error.message}</Notice>}
        <div className="actions">
          <Button type="submit" tone="primary" isPending={isBusy} isDisabled={url.trim() === "" || chosen.size === 0}>
            Save
          </Button>
          <Button tone="quiet" onPress={onClose}>
            Leave it as it is
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
