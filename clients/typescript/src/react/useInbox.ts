/**
 * The inbox, and one question of it.
 *
 * Laws:
 * - They change by themselves, at most once in a frame; nothing is asked for again and again.
 * - Components that show the same inbox share it.
 * - Whoever shows a question looks at it, for as long as the component is there.
 */

import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import type { OnBehalf } from "../decisions.js";
import type { InterlockError } from "../errors.js";
import { followInbox, type Inbox, type InboxOptions, type InboxQuestion, type InboxState } from "../inbox.js";
import type { InboxFilter, JsonValue } from "../protocol.js";
import { useClient } from "./context.js";
import { framed, type Store } from "./frames.js";
import { peek, share } from "./shared.js";
import { useIdentity } from "./useInterlock.js";

const empty: InboxState = { questions: [], phase: "loading", more: false, error: null };

/** As many questions as the server lists at once. */
const MOST = 500;

/** Everything that waits for this user, question by question, live, of the newest runs first. */
export function useInbox(filter: InboxFilter = {}, options: { limit?: number } = {}): InboxState {
  const client = useClient();
  const wanted = JSON.stringify({ filter, limit: MOST, ...options });
  const store = useMemo(() => framed(inboxStore(client, wanted)), [client, wanted]);
  return useSyncExternalStore(store.subscribe, store.read, () => empty);
}

/** What `useInteraction` gives. */
export interface UseInteraction {
  /** Undefined while it isn't known, and when it waits for this user no more. */
  question: InboxQuestion | undefined;
  /** Whether the inbox isn't complete yet. */
  loading: boolean;
  /** Who else looks at it now. */
  others: readonly string[];
  error: InterlockError | null;
  /** Answers it; see `Inbox.respond`. */
  respond: (response: Record<string, JsonValue>, behalf?: OnBehalf) => Promise<void>;
  /** Keeps what is half-written, for this user's other devices; null throws it away. */
  saveDraft: (content: JsonValue) => Promise<void>;
  claim: () => Promise<void>;
  release: () => Promise<void>;
  delegate: (to: string, reason?: string) => Promise<void>;
}

/** One question that waits for this user, by its address, and what is done to it. */
export function useInteraction(interactionId: string): UseInteraction {
  const client = useClient();
  const identity = useIdentity(client);
  const { questions, phase, error } = useInbox();
  const question = questions.find((each) => each.id === interactionId);
  const isThere = question !== undefined;
  useEffect(
    () => (isThere ? using(client, (inbox) => inbox.look(interactionId)) : undefined),
    [client, interactionId, isThere],
  );
  const actions = useMemo(() => actionsOn(client, interactionId), [client, interactionId]);
  const others = useMemo(
    () => (question?.people ?? []).filter((each) => each !== identity.userId),
    [question, identity.userId],
  );
  return { question, loading: phase === "loading", others, error, ...actions };
}

type Actions = Pick<UseInteraction, "respond" | "saveDraft" | "claim" | "release" | "delegate">;

function actionsOn(client: Client, id: string): Actions {
  const on =
    <A extends unknown[]>(act: (inbox: Inbox, ...given: A) => Promise<void>) =>
    (...given: A) => {
      const [inbox, release] = shared(client, ALL);
      return act(inbox, ...given).finally(release);
    };
  return {
    respond: on((inbox, response: Record<string, JsonValue>, behalf?: OnBehalf) => inbox.respond(id, response, behalf)),
    saveDraft: on((inbox, content: JsonValue) => inbox.saveDraft(id, content)),
    claim: on((inbox) => inbox.claim(id)),
    release: on((inbox) => inbox.release(id)),
    delegate: on((inbox, to: string, reason?: string) => inbox.delegate(id, to, reason)),
  };
}

const ALL = JSON.stringify({ filter: {}, limit: MOST });

function using(client: Client, begin: (inbox: Inbox) => () => void): () => void {
  const [inbox, release] = shared(client, ALL);
  const end = begin(inbox);
  return () => {
    end();
    release();
  };
}

function keyOf(wanted: string): string {
  return `inbox:${wanted}`;
}

function shared(client: Client, wanted: string): [Inbox, () => void] {
  const begin = () => followInbox(client, JSON.parse(wanted) as InboxOptions);
  return share(client, keyOf(wanted), { begin, end: (each) => each.close() });
}

function inboxStore(client: Client, wanted: string): Store<InboxState> {
  let inbox = peek(client, keyOf(wanted)) as Inbox | undefined;
  return {
    read: () => inbox?.state ?? empty,
    subscribe(listener) {
      const [used, release] = shared(client, wanted);
      inbox = used;
      const end = used.subscribe(listener);
      return () => {
        end();
        release();
      };
    },
  };
}
