/** Has the endpoint of a graph run what is drawn, or stops it. */

import { useState } from "react";
import { Power, PowerOff } from "lucide-react";
import type { Client, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { errorOf } from "../ui/use-answer.ts";
import type { Working } from "./use-graph.ts";

interface ActivateProps {
  name: string;
  isActive: boolean;
  /** What is drawn isn't what the endpoint runs. */
  isAhead: boolean;
  working: Working;
  /** Saves, and gives the id of the version; null where it is refused. */
  onSave: () => Promise<string | null>;
  onDone: () => void;
}

/** The buttons. What isn't saved is saved first. */
export function ActivateButton({ name, isActive, isAhead, working, onSave, onDone }: ActivateProps) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const act = async (doing: () => Promise<string | null>) => {
    setBusy(true);
    try {
      const said = await doing();
      if (said !== null) announce(said);
    } catch (fault) {
      setError(errorOf(fault));
    } finally {
      setBusy(false);
      onDone();
    }
  };
  const activate = () =>
    act(async () => {
      const version = working.isChanged ? await onSave() : working.base;
      if (version === null) return null;
      await published(client, name, version);
      await client.graphs.activate(name);
      return `${name} is active: its endpoint answers.`;
    });
  const deactivate = () =>
    act(async () => {
      await client.graphs.deactivate(name);
      return `${name} isn’t active any more.`;
    });
  return (
    <>
      {isActive && (
        <Button small tone="quiet" isPending={isBusy} onPress={() => void deactivate()}>
          <PowerOff size={14} aria-hidden /> Deactivate
        </Button>
      )}
      {(!isActive || isAhead) && (
        <Button small tone="primary" isPending={isBusy} onPress={() => void activate()}>
          <Power size={14} aria-hidden /> {isActive ? "Activate this version" : "Activate"}
        </Button>
      )}
      <Dialog title="It can’t be activated" isOpen={error !== null} onClose={() => setError(null)}>
        <p>{error?.message}</p>
        <div className="actions">
          <Button onPress={() => setError(null)}>Close</Button>
        </div>
      </Dialog>
    </>
  );
}

/** Makes a version the current one, if it isn't. */
async function published(client: Client, name: string, version: string): Promise<void> {
  try {
    await client.graphs.publish(name, version);
  } catch (fault) {
    if (errorOf(fault).code !== "already_published") throw fault;
  }
}
