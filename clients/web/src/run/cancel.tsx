/** Cancels a run, after a question; the reason is told to everybody who follows it. */

import { useState } from "react";
import { CircleStop } from "lucide-react";
import { InterlockError, isFinal, type RunView } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";

/** What a `CancelButton` takes. */
export interface CancelButtonProps {
  view: RunView;
  cancel: (reason?: string) => Promise<void>;
  small?: boolean;
  /** What the button says, where that isn't that it cancels the run. */
  label?: string;
}

/** The button, while there is something to cancel. */
export function CancelButton({ view, cancel, small = false, label = "Cancel run…" }: CancelButtonProps) {
  const [isOpen, setOpen] = useState(false);
  if (isFinal(view.status) || view.lastIndex === null) return null;
  return (
    <>
      <Button tone="quiet" small={small} onPress={() => setOpen(true)}>
        <CircleStop size={14} aria-hidden /> {label}
      </Button>
      <Dialog
        title={`Cancel this run${view.workflowName ? ` of ${view.workflowName}` : ""}?`}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
      >
        <CancelForm cancel={cancel} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function CancelForm({ cancel, onDone }: { cancel: CancelButtonProps["cancel"]; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const submit = async () => {
    setBusy(true);
    try {
      await cancel(reason.trim() === "" ? undefined : reason);
      onDone();
    } catch (error) {
      setFault(error instanceof InterlockError ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>What it is doing is broken off, and nothing more is done. This can’t be undone.</p>
      <TextField label="Reason (optional)" rows={2} value={reason} onChange={setReason} autoFocus />
      {fault && <Notice tone="fault">{fault}</Notice>}
      <div className="actions">
        <Button type="submit" tone="danger" isPending={isBusy}>
          Cancel the run
        </Button>
        <Button tone="quiet" onPress={onDone} isDisabled={isBusy}>
          Let it go on
        </Button>
      </div>
    </form>
  );
}
