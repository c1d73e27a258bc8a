/** One subscription: how it is, what can be done with it, and what was delivered to it. */

import { FlaskConical, KeyRound, Pause, Pencil, Play, Trash2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useLocation, useParams } from "wouter";
import type { InterlockError, Subscription } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Sections } from "../machines/sections.tsx";
import { partOf } from "../run/paths.ts";
import { announce } from "../ui/announcer.tsx";
import { Asked } from "../ui/asked.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { dateTimeOf } from "../ui/format.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { Badge } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { ChangeDialog } from "./change.tsx";
import { Deliveries } from "./deliveries.tsx";
import { Secret } from "./secret.tsx";
import { eventsOf, stateOf } from "./words.ts";

/** `#/webhooks/<id>`. */
export function WebhookPage() {
  const id = partOf(useParams<{ id: string }>().id);
  useTitle("Webhook");
  const { client } = useInterlock();
  const { data, error, again } = useAnswer(`webhook ${id}`, () => client.webhooks.get(id));
  const [round, setRound] = useState(0);
  const changed = () => {
    again();
    setRound((before) => before + 1);
  };
  return (
    <div className="page">
      <Sections current="webhooks" />
      {data === null ? <Missing error={error} again={again} /> : <Webhook subscription={data} onChanged={changed} />}
      {data !== null && <Deliveries key={id} subscription={data} round={round} onChanged={again} />}
    </div>
  );
}

function Missing({ error, again }: { error: InterlockError | null; again: () => void }) {
  if (error === null) return <Skeleton label="Loading the subscription" lines={6} />;
  return (
    <>
      <h1>Webhook</h1>
      {error.code === "subscription_not_found" ? (
        <Notice tone="fault">
          There is no such subscription. <Link href="/webhooks">See those that are</Link>.
        </Notice>
      ) : (
        <Notice tone="fault" again={again}>
          The subscription can’t be loaded: {error.message}
        </Notice>
      )}
    </>
  );
}

interface WebhookProps {
  subscription: Subscription;
  onChanged: () => void;
}

function Webhook({ subscription, onChanged }: WebhookProps) {
  const { word, tone, why } = stateOf(subscription);
  return (
    <>
      <header className="page-head">
        <h1 className="name">{subscription.url}</h1>
        <Badge word={word} tone={tone} />
      </header>
      {subscription.description && <p>{subscription.description}</p>}
      {why !== null && <Notice tone={tone === "bad" ? "fault" : "info"}>{why}</Notice>}
      <Facts subscription={subscription} />
      <Actions subscription={subscription} onChanged={onChanged} />
    </>
  );
}

function Facts({ subscription }: { subscription: Subscription }) {
  const { id, namespace_filter: namespace, last_success_at: success, rotating_until: until } = subscription;
  return (
    <dl className="facts line">
      <Fact name="Events">{eventsOf(subscription)}</Fact>
      <Fact name="Of whose runs">{namespace ?? "All of the account"}</Fact>
      <Fact name="Last success">{success === null ? "None yet" : <Ago at={Date.parse(success)} />}</Fact>
      {until !== null && <Fact name="Old secret">Signs too until {dateTimeOf(Date.parse(until))}</Fact>}
      <Fact name="Id">
        <code>{id}</code>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Actions({ subscription, onChanged }: WebhookProps) {
  const [isChanging, setChanging] = useState(false);
  const { act, busy, error } = useActing(onChanged);
  const { client } = useInterlock();
  const { id } = subscription;
  const isActive = subscription.status === "active";
  return (
    <>
      <div className="actions">
        {isActive && (
          <Button
            small
            tone="primary"
            isPending={busy === "test"}
            onPress={() => void act("test", () => client.webhooks.test(id), "A test event is on its way.")}
          >
            <FlaskConical size={14} aria-hidden /> Send a test event
          </Button>
        )}
        {isActive ? (
          <PauseButton id={id} onDone={onChanged} />
        ) : (
          <Button
            small
            tone="primary"
            isPending={busy === "enable"}
            onPress={() => void act("enable", () => client.webhooks.change(id, { status: "active" }), "It is active.")}
          >
            <Play size={14} aria-hidden /> Enable
          </Button>
        )}
        <Button small onPress={() => setChanging(true)}>
          <Pencil size={14} aria-hidden /> Change…
        </Button>
        <RotateButton subscription={subscription} onDone={onChanged} />
        <DeleteButton id={id} />
      </div>
      {error && <Notice tone="fault">{error.message}</Notice>}
      {isChanging && (
        <ChangeDialog
          subscription={subscription}
          onClose={() => setChanging(false)}
          onDone={() => {
            setChanging(false);
            onChanged();
          }}
        />
      )}
    </>
  );
}

function useActing(onDone: () => void) {
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<InterlockError | null>(null);
  const act = async (name: string, work: () => Promise<unknown>, said: string) => {
    setBusy(name);
    setError(null);
    try {
      await work();
      announce(said);
      onDone();
    } catch (fault) {
      setError(errorOf(fault));
    } finally {
      setBusy(null);
    }
  };
  return { act, busy, error };
}

function PauseButton({ id, onDone }: { id: string; onDone: () => void }) {
  const { client } = useInterlock();
  return (
    <Asked
      label={
        <>
          <Pause size={14} aria-hidden /> Pause…
        </>
      }
      title="Pause the subscription?"
      submit="Pause"
      act={async () => {
        await client.webhooks.change(id, { status: "disabled" });
        announce("It is paused.");
        onDone();
      }}
    >
      <p>Its receiver is told of nothing that happens until it is enabled again, and isn’t told of that later.</p>
    </Asked>
  );
}

function DeleteButton({ id }: { id: string }) {
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  return (
    <Asked
      label={
        <>
          <Trash2 size={14} aria-hidden /> Delete…
        </>
      }
      tone="quiet"
      title="Delete the subscription?"
      submit="Delete it"
      submitTone="danger"
      act={async () => {
        await client.webhooks.delete(id);
        announce("The subscription is deleted.");
        navigate("/webhooks");
      }}
    >
      <p>Its secret and its deliveries are gone then, also those that are still to come, and can’t be brought back.</p>
    </Asked>
  );
}

/** Gives it another secret, or ends the time in which both sign. */
function RotateButton({ subscription, onDone }: { subscription: Subscription; onDone: () => void }) {
  const { client } = useInterlock();
  const { id, rotating_until: until } = subscription;
  const [made, setMade] = useState<Subscription | null>(null);
  const icon = <KeyRound size={14} aria-hidden />;
  const kept = () => {
    setMade(null);
    onDone();
  };
  return (
    <>
      {until === null ? (
        <Asked
          label={<>{icon} New secret…</>}
          title="Make a new secret?"
          submit="Make it"
          act={async () => setMade(await client.webhooks.rotate(id))}
        >
          <p>
            For 24 hours the old secret signs too, so that no delivery is lost while the receiver learns the new one.
          </p>
        </Asked>
      ) : (
        <Asked
          label={<>{icon} End the old secret…</>}
          title="Does every receiver know the new secret?"
          submit="End the old one"
          act={async () => {
            await client.webhooks.confirm(id);
            announce("Only the new secret signs.");
            onDone();
          }}
        >
          <p>From now on only the new secret signs. A receiver that knows only the old one refuses everything.</p>
        </Asked>
      )}
      <Dialog title="Keep the secret" isOpen={made !== null} onClose={kept} mustAnswer>
        {made !== null && <Secret subscription={made} onKept={kept} />}
      </Dialog>
    </>
  );
}
