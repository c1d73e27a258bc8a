/** Something that is asked before it is done. */

import { useState, type ReactNode } from "react";
import type { InterlockError } from "@interlock/client";
import { Button, type Tone } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Notice } from "./notice.tsx";
import { errorOf } from "./use-answer.ts";

/** What an `Asked` takes. */
export interface AskedProps {
  label: ReactNode;
  tone?: Tone;
  title: string;
  submit: string;
  submitTone?: Tone;
  act: () => Promise<void>;
  children: ReactNode;
}

/** A button that asks before it does something. */
export function Asked({ label, tone = "plain", title, submit, submitTone = "primary", act, children }: AskedProps) {
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const close = () => {
    setOpen(false);
    setError(null);
  };
  const submitted = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (fault) {
      setError(errorOf(fault));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button tone={tone} small onPress={() => setOpen(true)}>
        {label}
      </Button>
      <Dialog title={title} isOpen={isOpen} onClose={close}>
        <div className="stack">
          {children}
          {error && <Notice tone="fault">{error.message}</Notice>}
          <div className="actions">
            <Button tone={submitTone} isPending={isBusy} onPress={() => void submitted()}>
              {submit}
            </Button>
            <Button tone="quiet" isDisabled={isBusy} onPress={close}>
              Leave it as it is
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}
