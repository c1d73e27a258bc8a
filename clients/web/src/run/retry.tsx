/** Begins a failed instance again, at the state where it failed: as another instance, to whose page it leads. */

import { useState } from "react";
import { RotateCcw } from "lucide-react";
import { useLocation } from "wouter";
import type { RunView } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Notice } from "../ui/notice.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { isInstance } from "./instance.tsx";
import { pathOf } from "./paths.ts";

/** How long the server may take until it answers; the page follows the instance by itself. In seconds. */
const WAIT = 1;

/** The button, where a failed instance can be tried again. */
export function RetryButton({ view }: { view: RunView }) {
  const [isOpen, setOpen] = useState(false);
  if (view.status !== "ERROR" || !isInstance(view)) return null;
  return (
    <>
      <Button tone="quiet" small onPress={() => setOpen(true)}>
        <RotateCcw size={14} aria-hidden /> Retry…
      </Button>
      <Dialog title="Try this instance again?" isOpen={isOpen} onClose={() => setOpen(false)}>
        <Retry view={view} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function Retry({ view, onDone }: { view: RunView; onDone: () => void }) {
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const retry = async () => {
    setBusy(true);
    try {
      const { id } = await client.instances.retry(view.runId, { wait: WAIT });
      onDone();
      navigate(pathOf({ workflowId: view.workflowId, runId: id }));
    } catch (error) {
      const known = errorOf(error);
      if (known.runId !== undefined && known.runId !== view.runId) {
        onDone();
        navigate(pathOf({ workflowId: view.workflowId, runId: known.runId }));
        return;
      }
      setFault(known.message);
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <p>
        A new instance begins at the state where this one failed, with the data that it had there. This one stays as it
        is.
      </p>
      {fault && <Notice tone="fault">{fault}</Notice>}
      <div className="actions">
        <Button tone="primary" isPending={isBusy} onPress={() => void retry()}>
          Retry
        </Button>
        <Button tone="quiet" onPress={onDone} isDisabled={isBusy}>
          Leave it
        </Button>
      </div>
    </div>
  );
}
