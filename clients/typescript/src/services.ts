/** What the server does over HTTP, besides what a connection is for. */

import { Files } from "./files.js";
import { Integrations } from "./integrations.js";
import { Machines } from "./machines.js";
import type { Rest } from "./rest.js";
import { Secrets } from "./secrets.js";
import { Webhooks } from "./webhooks.js";

/** The services of one server. */
export class Services {
  /** Definitions of state machines: created, checked, published. */
  readonly machines: Machines;
  /** The secrets of workflows: set, listed without their values, deleted. */
  readonly secrets: Secrets;
  /** Addresses that are told of what happens in runs, and what was delivered to them. */
  readonly webhooks: Webhooks;
  /** Credentials for outside services. */
  readonly integrations: Integrations;
  /** What is given for `file` fields: uploaded, downloaded, deleted. */
  readonly files: Files;

  /** @internal */
  constructor(rest: Rest) {
    this.machines = new Machines(rest);
    this.secrets = new Secrets(rest);
    this.webhooks = new Webhooks(rest);
    this.integrations = new Integrations(rest);
    this.files = new Files(rest);
  }
}
