/** What changes which version runs: publishing one, going back to an older one, deleting a draft. Each is asked first. */

import { History, Trash2, Upload } from "lucide-react";
import { useLocation } from "wouter";
import type { MachineVersion } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Asked } from "../ui/asked.tsx";
import { machineOf } from "./paths.ts";
import { numberOf } from "./words.ts";

interface ActionProps {
  name: string;
  version: MachineVersion;
  onDone: () => void;
}

/** Publishes a version, or goes back to one that was published before. */
export function PublishButton({ name, version, current, onDone }: ActionProps & { current: MachineVersion | null }) {
  const { client } = useInterlock();
  const isBack = version.status === "published";
  const which = numberOf(version);
  const [label, Icon] = isBack ? (["Go back to this version…", History] as const) : (["Publish…", Upload] as const);
  return (
    <Asked
      label={
        <>
          <Icon size={14} aria-hidden /> {label}
        </>
      }
      tone="primary"
      title={isBack ? `Go back to ${which.toLowerCase()}?` : `Publish ${which.toLowerCase()}?`}
      submit={isBack ? "Go back" : "Publish"}
      act={async () => {
        await client.machines.publish(name, version);
        announce(`${which} of ${name} is current now.`);
        onDone();
      }}
    >
      <p>
        New instances of <strong>{name}</strong> begin with {which.toLowerCase()}
        {current !== null && <>, not with {numberOf(current).toLowerCase()} any more</>}. Instances that have begun stay
        with the version that they have.
      </p>
    </Asked>
  );
}

/** Deletes a draft. */
export function DeleteButton({ name, version, onDone }: ActionProps) {
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  const which = numberOf(version);
  return (
    <Asked
      label={
        <>
          <Trash2 size={14} aria-hidden /> Delete…
        </>
      }
      tone="quiet"
      title={`Delete ${which.toLowerCase()}?`}
      submit="Delete the draft"
      submitTone="danger"
      act={async () => {
        await client.machines.deleteDraft(name, version.version_id);
        announce(`${which} of ${name} is deleted.`);
        const isLeft = await client.machines.versions(name).then(
          (versions) => versions.length > 0,
          () => false,
        );
        navigate(isLeft ? machineOf(name) : "/machines");
        onDone();
      }}
    >
      <p>The draft is gone then, and can’t be brought back. No version that was published changes.</p>
    </Asked>
  );
}
