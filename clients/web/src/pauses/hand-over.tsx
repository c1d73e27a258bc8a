/** A question is handed over: to whom, and why. */

import { useState } from "react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";
import { PersonField, usePeople } from "../ui/people.tsx";
import { errorOf } from "../ui/use-answer.ts";
import type { Question } from "./history.ts";
import { useScene } from "./run-context.ts";

interface HandOverProps {
  question: Question;
  isOpen: boolean;
  onClose: () => void;
}

/** The dialog. */
export function HandOver(props: HandOverProps) {
  const { question, isOpen, onClose } = props;
  return (
    <Dialog title="Hand it over" isOpen={isOpen} onClose={onClose}>
      <HandOverForm question={question} onClose={onClose} />
    </Dialog>
  );
}

function HandOverForm({ question, onClose }: Omit<HandOverProps, "isOpen">) {
  const { attend, userId } = useScene();
  const people = usePeople().filter((each) => each.id !== userId);
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const submit = async () => {
    setBusy(true);
    setFault(null);
    try {
      const why = reason.trim();
      await attend.delegate(question.id, to.trim(), why === "" ? undefined : why);
      onClose();
    } catch (error) {
      setFault(errorOf(error).message);
      setBusy(false);
    }
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (to.trim() !== "") void submit();
      }}
    >
      <p className="hint">They are asked instead of you, and both of you stand behind what they decide.</p>
      <PersonField label="To whom" people={people} value={to} onChange={setTo} autoFocus />
      <TextField label="Reason (optional)" rows={2} value={reason} onChange={setReason} />
      {fault && <Notice tone="fault">{fault}</Notice>}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy} isDisabled={to.trim() === ""}>
          Hand over
        </Button>
        <Button tone="quiet" isDisabled={isBusy} onPress={onClose}>
          Keep it
        </Button>
      </div>
    </form>
  );
}
