/**
 * Files for the `file` fields of forms: uploaded, downloaded, deleted.
 *
 * Laws:
 * - What a file is, the server finds out by its content.
 * - An upload that got no answer is sent again: what the first one left behind nobody uses, and it goes by itself.
 */

import { misuse } from "./errors.js";
import { path, type Rest } from "./rest.js";

/** The largest file that a server takes, in bytes. */
export const MAX_FILE_BYTES = 10 * 1024 * 1024;

/** A file on the server; its `id` is given for a `file` field. */
export interface UploadedFile {
  id: string;
  name: string;
  /** In bytes. */
  size: number;
  /** By its content. */
  content_type: string;
  /** Of its content, in hexadecimal digits. */
  sha256: string;
  created_at: string;
}

/** How a file is uploaded. */
export interface UploadOptions {
  /** What it is called; by default as the `File` is. */
  name?: string;
  /** Gives the upload up. */
  signal?: AbortSignal;
}

/** The files of this user, and those of the runs that they may read; `Client.files`. */
export class Files {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /**
   * Uploads a file. Rejects with an `InterlockError`: `forbidden`, `payload_too_large`, …; or with what `signal` was
   * aborted with.
   */
  async upload(content: Blob, { name, signal }: UploadOptions = {}): Promise<UploadedFile> {
    if (content.size > MAX_FILE_BYTES)
      throw misuse(`the file has ${content.size} bytes, and a server takes at most ${MAX_FILE_BYTES}`);
    const form = new FormData();
    form.set("file", content, name ?? (content instanceof File ? content.name : "file"));
    return this.#rest.send({ method: "POST", path: path("files"), form, repeatable: true, ...(signal && { signal }) });
  }

  /** What is known of a file. Rejects with `file_not_found`. */
  async info(id: string): Promise<UploadedFile> {
    return this.#rest.send({ method: "GET", path: path("files", id, "info") });
  }

  /** The content of a file. Rejects with `file_not_found`. */
  async download(id: string): Promise<Blob> {
    return this.#rest.send({ method: "GET", path: path("files", id), asBlob: true });
  }

  /** Deletes a file of one's own. Rejects with `file_not_found`; with `file_in_use` where a run uses it. */
  async delete(id: string): Promise<void> {
    return this.#rest.send({ method: "DELETE", path: path("files", id) });
  }
}
