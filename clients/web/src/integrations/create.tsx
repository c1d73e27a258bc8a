/**
 * A new integration.
 *
 * Laws:
 * - A credential is in no draft and no address: whoever leaves the form has to type it again.
 * - Where people are asked at the provider, the page goes there, and comes back to the list.
 */

import { useState } from "react";
import type { InterlockError, ProviderInfo } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Picker, TextField } from "../ui/fields.tsx";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { askedFor, canConnect, fieldsOf, isComplete, SIMPLE, wordOf, type Filled } from "./words.ts";

interface CreateProps {
  isOpen: boolean;
  onClose: () => void;
  onDone: () => void;
}

/** The form. */
export function CreateDialog({ isOpen, onClose, onDone }: CreateProps) {
  const { client } = useInterlock();
  const { data, error } = useAnswer("providers", () => client.integrations.providers());
  return (
    <Dialog title="New integration" isOpen={isOpen} onClose={onClose}>
      {data === null && error !== null && <Notice tone="fault">{error.message}</Notice>}
      {data === null && error === null && <Skeleton label="Loading the providers" lines={4} />}
      {data !== null && <CreateForm providers={data} onClose={onClose} onDone={onDone} />}
    </Dialog>
  );
}

const NOTHING: Filled = { name: "", baseUrl: "", type: "bearer", credentials: {} };

function CreateForm({ providers, onClose, onDone }: Omit<CreateProps, "isOpen"> & { providers: ProviderInfo[] }) {
  const [chosen, setChosen] = useState<string>(providers[0]?.name ?? "");
  const [filled, setFilled] = useState(NOTHING);
  const provider = providers.find((each) => each.name === chosen);
  const { act, isBusy, error } = useCreating(onDone);
  if (provider === undefined) return <Notice tone="fault">There are no providers.</Notice>;
  const connects = canConnect(provider);
  const type = provider.auth?.type ?? filled.type;
  const said = { ...filled, type };
  const fill = (more: Partial<Filled>) => setFilled((before) => ({ ...before, ...more }));
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void act(askedFor(provider, said, connects), connects);
      }}
    >
      <Picker
        label="Service"
        options={providers.map(({ name, title }) => ({ key: name, label: title ?? name }))}
        value={chosen}
        onChange={(key) => {
          setChosen(key);
          fill({ baseUrl: "", credentials: {} });
        }}
      />
      <TextField
        label="Name"
        description="What workflows call it: small letters, digits, - and _."
        value={filled.name}
        isRequired
        autoComplete="off"
        maxLength={64}
        onChange={(name) => fill({ name })}
      />
      <ProviderFields provider={provider} filled={said} fill={fill} />
      {error && <Notice tone="fault">{error.message}</Notice>}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy} isDisabled={!isComplete(provider, said, connects)}>
          {connects ? "Connect" : "Check and keep"}
        </Button>
        <Button tone="quiet" onPress={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

interface ProviderFieldsProps {
  provider: ProviderInfo;
  filled: Filled;
  fill: (more: Partial<Filled>) => void;
}

/** What a provider leaves to its integrations, and the credential. */
function ProviderFields({ provider, filled, fill }: ProviderFieldsProps) {
  const connects = canConnect(provider);
  return (
    <>
      {provider.base_url === null && (
        <TextField
          label="Address"
          placeholder={provider.name === "smtp" ? "smtp://mail.example.com:587" : "https://api.example.com/v1"}
          value={filled.baseUrl}
          isRequired
          autoComplete="off"
          onChange={(baseUrl) => fill({ baseUrl })}
        />
      )}
      {provider.auth === null && (
        <Picker
          label="Credential"
          options={SIMPLE.map((key) => ({ key, label: wordOf(key) }))}
          value={filled.type}
          onChange={(key) => fill({ type: key as Filled["type"], credentials: {} })}
        />
      )}
      {fieldsOf(filled.type, connects).map(({ name, label, isSecret }) => (
        <TextField
          key={name}
          label={label}
          type={isSecret ? "password" : "text"}
          value={filled.credentials[name] ?? ""}
          isRequired
          autoComplete={isSecret ? "new-password" : "off"}
          onChange={(value) => fill({ credentials: { ...filled.credentials, [name]: value } })}
        />
      ))}
      {connects && (
        <p className="hint">
          You go to the service, agree there, and come back. Register <code>{callback()}</code> there as where to send
          browsers back to.
        </p>
      )}
    </>
  );
}

function callback(): string {
  return new URL("integrations/callback", document.baseURI.split("#")[0]).href;
}

function useCreating(onDone: () => void) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const act = async (asked: ReturnType<typeof askedFor>, connects: boolean) => {
    setBusy(true);
    setError(null);
    try {
      if (connects) {
        location.assign(await client.integrations.connect(asked));
        return; // the page is left
      }
      await client.integrations.create(asked);
      announce(`${asked.name} is kept.`);
      onDone();
    } catch (fault) {
      setError(errorOf(fault));
    }
    setBusy(false);
  };
  return { act, isBusy, error };
}
