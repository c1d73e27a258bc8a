/** Webhooks: who is told of what happens in runs, and how their receivers do. */

import { Plus } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { Subscription } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Sections } from "../machines/sections.tsx";
import { Button } from "../ui/button.tsx";
import { Listed } from "../ui/listed.tsx";
import { Empty } from "../ui/notice.tsx";
import { Badge } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { useAnswer } from "../ui/use-answer.ts";
import { CreateDialog } from "./create.tsx";
import { eventsOf, stateOf } from "./words.ts";

/** Where a subscription's page is. */
export function webhookOf(id: string): string {
  return `/webhooks/${encodeURIComponent(id)}`;
}

/** `#/webhooks`. */
export function WebhooksPage() {
  useTitle("Webhooks");
  const [isOpen, setOpen] = useState(false);
  const [, navigate] = useLocation();
  const { client } = useInterlock();
  const { data, error, again } = useAnswer("webhooks", () => client.webhooks.list());
  return (
    <div className="page">
      <Sections current="webhooks" />
      <header className="page-head">
        <h1>Webhooks</h1>
        <span className="spacer" />
        {error?.code !== "forbidden" && (
          <Button tone="primary" onPress={() => setOpen(true)}>
            <Plus size={16} aria-hidden /> New subscription
          </Button>
        )}
      </header>
      <Listed
        {...{ error, again }}
        found={data}
        what="subscriptions"
        forbidden={FORBIDDEN}
        absent={ABSENT}
        empty={EMPTY}
      >
        {(found) => <Table subscriptions={found} />}
      </Listed>
      <CreateDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        onDone={(made) => {
          setOpen(false);
          again();
          navigate(webhookOf(made.id));
        }}
      />
    </div>
  );
}

const FORBIDDEN = (
  <Empty title="Webhooks aren’t yours to manage">
    Your token lacks the scope <code>webhooks:manage</code>. Whoever gives out tokens can add it.
  </Empty>
);

const ABSENT = <Empty title="This server has no webhooks">It is of a version without them.</Empty>;

const EMPTY = (
  <Empty title="Nobody is told of anything yet">
    A subscription is an address of yours: what happens in runs is posted there, signed. Make one with “New
    subscription”, or try it at a terminal with <code>interlock webhooks listen</code>.
  </Empty>
);

function Table({ subscriptions }: { subscriptions: readonly Subscription[] }) {
  return (
    <div className="table-box">
      <table aria-label="Subscriptions" className="cards webhooks">
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">Status</th>
            <th scope="col">Events</th>
            <th scope="col">Namespace</th>
            <th scope="col">Last success</th>
          </tr>
        </thead>
        <tbody>
          {subscriptions.map((subscription) => (
            <Row key={subscription.id} subscription={subscription} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ subscription }: { subscription: Subscription }) {
  const { id, url, description, namespace_filter: namespace, last_success_at: success } = subscription;
  const { word, tone, why } = stateOf(subscription);
  return (
    <tr>
      <th scope="row">
        <Link href={webhookOf(id)} className="link name">
          {url}
        </Link>
        {description && <span className="hint about">{description}</span>}
      </th>
      <td>
        <Badge word={word} tone={tone} />
      </td>
      <td>
        {eventsOf(subscription)}
        {why !== null && <span className="hint about">{why}</span>}
      </td>
      <td>{namespace ?? "All of the account"}</td>
      <td>{success === null ? "" : <Ago at={Date.parse(success)} />}</td>
    </tr>
  );
}
