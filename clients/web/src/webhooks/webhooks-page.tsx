/** Webhooks: who is told of what happens in runs, and how their receivers do. */

import { Plus } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { InterlockError, Subscription } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Sections } from "../machines/sections.tsx";
import { Button } from "../ui/button.tsx";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
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
      <List found={data} error={error} again={again} />
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

interface ListProps {
  found: readonly Subscription[] | null;
  error: InterlockError | null;
  again: () => void;
}

function List({ found, error, again }: ListProps) {
  if (found === null && error !== null) return <Unlisted error={error} again={again} />;
  if (found === null) return <Skeleton label="Loading the subscriptions" lines={6} />;
  return (
    <>
      {error && (
        <Notice tone="fault" again={again}>
          The list may be out of date: {error.message}
        </Notice>
      )}
      {found.length === 0 ? (
        <Empty title="Nobody is told of anything yet">
          A subscription is an address of yours: what happens in runs is posted there, signed. Make one with “New
          subscription”, or try it at a terminal with <code>interlock webhooks listen</code>.
        </Empty>
      ) : (
        <Table subscriptions={found} />
      )}
    </>
  );
}

function Unlisted({ error, again }: { error: InterlockError; again: () => void }) {
  if (error.code === "forbidden") {
    return (
      <Empty title="Webhooks aren’t yours to manage">
        Your token lacks the scope <code>webhooks:manage</code>. Whoever gives out tokens can add it.
      </Empty>
    );
  }
  if (error.status === 404) return <Empty title="This server has no webhooks">It is of a version without them.</Empty>;
  return (
    <Notice tone="fault" again={again}>
      The subscriptions can’t be listed: {error.message}
    </Notice>
  );
}

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
