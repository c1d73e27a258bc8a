/** Integrations: with which outside services workflows work, in whose name. */

import { Plus } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { IntegrationInfo } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Sections } from "../machines/sections.tsx";
import { announce } from "../ui/announcer.tsx";
import { Asked } from "../ui/asked.tsx";
import { Button } from "../ui/button.tsx";
import { Listed } from "../ui/listed.tsx";
import { Empty, Notice } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { CreateDialog } from "./create.tsx";
import { cameBack, usersOf, wordOf } from "./words.ts";

/** `#/integrations`. */
export function IntegrationsPage() {
  useTitle("Integrations");
  const [isOpen, setOpen] = useState(false);
  const { client } = useInterlock();
  const { data, error, again } = useAnswer("integrations", () => client.integrations.list());
  return (
    <div className="page">
      <Sections current="integrations" />
      <header className="page-head">
        <h1>Integrations</h1>
        <span className="spacer" />
        {error?.code !== "forbidden" && (
          <Button tone="primary" onPress={() => setOpen(true)}>
            <Plus size={16} aria-hidden /> New integration
          </Button>
        )}
      </header>
      <CameBack />
      <Listed found={data} error={error} again={again} what="integrations" forbidden={FORBIDDEN} empty={EMPTY}>
        {(found) => <Table integrations={found} again={again} />}
      </Listed>
      {isOpen && (
        <CreateDialog
          isOpen
          onClose={() => setOpen(false)}
          onDone={() => {
            setOpen(false);
            again();
          }}
        />
      )}
    </div>
  );
}

/** How it went at the provider: said once, and not in the address any more. */
function CameBack() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const [came] = useState(() => cameBack(search)); // the page was loaded anew
  useEffect(() => {
    if (came === null) return;
    navigate("/integrations", { replace: true });
    announce("connected" in came ? `${came.connected} is connected.` : came.fault);
  }, [came, navigate]);
  if (came === null) return null;
  if ("fault" in came) return <Notice tone="fault">{came.fault}</Notice>;
  return <Notice>{came.connected} is connected: workflows can use it from now on.</Notice>;
}

const FORBIDDEN = (
  <Empty title="Integrations aren’t yours to manage">
    Your token lacks the scope <code>secrets:manage</code>. Whoever gives out tokens can add it.
  </Empty>
);

const EMPTY = (
  <Empty title="No service is connected yet">
    An integration is a credential that the server keeps, sealed, and gives to no workflow: an HTTP call or a task names
    it, and the server signs the request. Make one with “New integration”.
  </Empty>
);

function Table({ integrations, again }: { integrations: readonly IntegrationInfo[]; again: () => void }) {
  return (
    <div className="table-box">
      <table aria-label="Integrations" className="cards webhooks">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Service</th>
            <th scope="col">Credential</th>
            <th scope="col">Used by</th>
            <th scope="col">Changed</th>
            <th scope="col">Try or delete</th>
          </tr>
        </thead>
        <tbody>
          {integrations.map((integration) => (
            <Row key={integration.name} integration={integration} again={again} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ integration, again }: { integration: IntegrationInfo; again: () => void }) {
  const { name, provider, base_url: address, auth, updated_at: changed, updated_by: by } = integration;
  const { client } = useInterlock();
  return (
    <tr>
      <th scope="row" className="name">
        {name}
      </th>
      <td>
        {provider}
        <span className="hint about">{address}</span>
      </td>
      <td>{wordOf(auth)}</td>
      <td>{usersOf(integration)}</td>
      <td>
        {changed === null ? "–" : <Ago at={Date.parse(changed)} />}
        {by !== null && <span className="hint about">by {by}</span>}
      </td>
      <td>
        <div className="actions">
          <Tested name={name} />
          <Asked
            label="Delete"
            title={`Delete ${name}?`}
            submit="Delete it"
            submitTone="danger"
            act={async () => {
              await client.integrations.delete(name);
              announce(`${name} is deleted.`);
              again();
            }}
          >
            <p>Calls that name it fail from now on. At the service, the credential stays as it is.</p>
          </Asked>
        </div>
      </td>
    </tr>
  );
}

/** Asks the service again, and says what it answered. */
function Tested({ name }: { name: string }) {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const test = async () => {
    setBusy(true);
    const words = await client.integrations.test(name).then(
      () => "It is accepted.",
      (fault: unknown) => errorOf(fault).message,
    );
    setSaid(words);
    announce(words);
    setBusy(false);
  };
  return (
    <>
      <Button small isPending={isBusy} onPress={() => void test()}>
        Try it
      </Button>
      {said !== null && <span className="hint about">{said}</span>}
    </>
  );
}
