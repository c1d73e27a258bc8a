/** One server for all tests that don't stop it. */

import type { TestProject } from "vitest/node";
import { Server } from "./support/server.js";

declare module "vitest" {
  export interface ProvidedContext {
    port: number;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await Server.started();
  project.provide("port", server.port);
  return () => server.stop();
}
