/** Signing out, and giving place to another person: nothing of whoever was here stays in the tab. */

import { forget } from "../chat/store.ts";
import { dropDrafts } from "../ui/draft.ts";
import { session } from "./context.ts";

/** Forgets the token, the conversation, and what was half written. */
export function signOut(): void {
  session.read().client?.outbox.forget();
  leave();
  session.signOut();
}

function leave(): void {
  forget();
  dropDrafts();
}

session.whenAnotherComes = leave;
