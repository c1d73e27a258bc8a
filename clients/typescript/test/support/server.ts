/**
 * A real server in a process of its own, on a free port of loopback.
 *
 * Laws:
 * - It is over when the process that started it is: it is ended at `stop`, and by the end of the tests at the latest.
 * - A server may be killed and started again on the same port and data.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { eventually } from "./waiting.js";

const FOLDER = resolve(import.meta.dirname, "..");
const JWT_SECRET = "a-shared-secret-of-more-than-32-bytes-for-tests";

/** The users of each server. */
export const TOKENS = [
  { token: "token-alice", user_id: "alice" },
  { token: "token-bob", user_id: "bob" },
  { token: "token-root", user_id: "root", scopes: ["admin"] },
];
export const [ALICE, BOB, ROOT] = ["token-alice", "token-bob", "token-root"] as const;

const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** A server that may be stopped, killed and started again. */
export class Server {
  readonly port: number;
  readonly #data: string;
  #process: ChildProcess | null = null;
  #said = "";

  readonly #more: Record<string, string>;

  private constructor(port: number, data: string, more: Record<string, string>) {
    this.port = port;
    this.#data = data;
    this.#more = more;
  }

  /** A server of the tests' workflows that answers. */
  static async started(settings: Record<string, string> = {}): Promise<Server> {
    const server = new Server(await freePort(), await mkdtemp(join(tmpdir(), "interlock-ts-")), settings);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it (again), and waits until it answers. */
  async start(): Promise<void> {
    const child = spawn(python(), ["-m", "interlock.cli", "serve", "flows:workflows"], {
      cwd: FOLDER,
      env: { ...process.env, ...this.#settings() },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data: Buffer) => (this.#said += data.toString()));
    child.once("error", (error) => (this.#said += String(error)));
    child.once("exit", () => children.delete(child));
    this.#process = child;
    await eventually(
      async () => {
        if (child.exitCode !== null) throw new Error(`the server didn't start:\n${this.#said}`);
        return (await fetch(`${this.url}/health/ready`).catch(() => null))?.ok === true;
      },
      () => `the server to start; it said: ${this.#said}`,
    );
  }

  /** Ends it without a word, as a power cut does. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Tells it to stop, as who installs another version does. */
  terminate(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Tells it to stop, and removes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.#data, { recursive: true, force: true });
    if (this.#said.includes("Traceback")) throw new Error(this.#said);
  }

  /** What the server answers to a request over HTTP. */
  async get(path: string, token: string = ROOT): Promise<unknown> {
    const answer = await fetch(this.url + path, { headers: { authorization: `Bearer ${token}` } });
    return answer.json();
  }

  #settings(): Record<string, string> {
    return {
      INTERLOCK_PORT: String(this.port),
      INTERLOCK_DATA_DIR: this.#data,
      INTERLOCK_TOKENS: JSON.stringify(TOKENS),
      INTERLOCK_JWT_SECRET: JWT_SECRET,
      INTERLOCK_SHUTDOWN_GRACE_SECONDS: "1",
      INTERLOCK_LOG_LEVEL: "warning",
      ...this.#more,
    };
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await over;
  }
}

/** A token that is good for so many seconds, and for what `scope` says. */
export function jwt(userId: string, seconds: number, scope = "workflows:execute"): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Date.now() / 1000 + seconds;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: userId, exp, scope })}`;
  return `${signed}.${createHmac("sha256", JWT_SECRET).update(signed).digest("base64url")}`;
}

function python(): string {
  return process.env["INTERLOCK_PYTHON"] ?? resolve(FOLDER, "../../../.venv/bin/python");
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
