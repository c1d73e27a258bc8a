/** An admin decides what names others: on behalf of one of them, and with a reason, which everybody sees. */

import { useMemo, useState, type ReactNode } from "react";
import type { OnBehalf } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/fields.tsx";
import { SceneContext, useScene } from "./run-context.ts";

interface BehalfProps {
  /** Whom the pause names. */
  names: readonly string[];
  /** The way to answer. */
  children: ReactNode;
}

/** Asks for whom, and why, and then shows the way to answer. */
export function Behalf({ names, children }: BehalfProps) {
  const [behalf, setBehalf] = useState<OnBehalf | null>(null);
  const scene = useScene();
  const instead = useMemo(
    () => ({
      ...scene,
      decide: (...[id, decision]: Parameters<typeof scene.decide>) => scene.decide(id, decision, behalf ?? undefined),
    }),
    [scene, behalf],
  );
  if (behalf === null) return <ForWhom names={names} onSaid={setBehalf} />;
  return (
    <>
      <p className="hint">
        You decide this for {behalf.onBehalfOf}: {behalf.reason}{" "}
        <Button tone="plain" small onPress={() => setBehalf(null)}>
          Change
        </Button>
      </p>
      <SceneContext.Provider value={instead}>{children}</SceneContext.Provider>
    </>
  );
}

function ForWhom({ names, onSaid }: { names: readonly string[]; onSaid: (behalf: OnBehalf) => void }) {
  const [isOpen, setOpen] = useState(false);
  const [who, setWho] = useState(() => names.find((name) => !name.startsWith("group:")) ?? "");
  const [reason, setReason] = useState("");
  const isWhole = who.trim() !== "" && reason.trim() !== "";
  if (!isOpen) {
    return (
      <div className="actions">
        <Button tone="quiet" small onPress={() => setOpen(true)}>
          Decide on somebody’s behalf…
        </Button>
      </div>
    );
  }
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (isWhole) onSaid({ onBehalfOf: who.trim(), reason: reason.trim() });
      }}
    >
      <p className="hint">
        As an admin you decide it for one of those who are asked. Who, for whom and why stays on record.
      </p>
      <TextField label="On behalf of" value={who} onChange={setWho} autoFocus />
      <TextField label="Reason" value={reason} onChange={setReason} />
      <div className="actions">
        <Button type="submit" isDisabled={!isWhole}>
          Go on
        </Button>
        <Button tone="quiet" onPress={() => setOpen(false)}>
          Leave it to them
        </Button>
      </div>
    </form>
  );
}
