/**
 * The field of a `WorkflowForm` for files, which uploads them.
 *
 * Laws:
 * - What stands in the field are the ids of files that are uploaded; those on their way keep the form from being sent.
 * - What is too large or too much is told before anything is sent; whether the content fits `accept` says the server.
 * - A file that is taken out again is deleted, if it was uploaded here.
 */

import { useEffect, useRef, useState, type ComponentProps } from "react";
import { MAX_FILES } from "../answers.js";
import { InterlockError } from "../errors.js";
import { MAX_FILE_BYTES, type Files } from "../files.js";
import type { PresentationField } from "../presentations.js";
import { idsIn } from "./formDraft.js";
import type { Entry } from "./formField.js";
import { classOf, type FormClassNames } from "./formStyle.js";

/** Where files are uploaded to: `client.files`. */
export type FormFiles = Pick<Files, "upload" | "info" | "delete">;

interface FilesFieldProps {
  field: PresentationField;
  entry: string | boolean | undefined;
  onChange: (entry: Entry) => void;
  common: ComponentProps<"input"> & { id: string };
  files: FormFiles;
  classNames: FormClassNames | undefined;
}

/** A file on its way. */
interface Upload {
  key: number;
  name: string;
  stop: AbortController;
}

/** A control that uploads files, and what was uploaded. */
export function FilesField({ field, entry, onChange, common, files, classNames }: FilesFieldProps) {
  const ids = typeof entry === "string" ? idsIn(entry) : [];
  const [names, setNames] = useState<Readonly<Record<string, string>>>({});
  const { uploads, begin } = useUploads();
  const [refused, setRefused] = useState<readonly string[]>([]);
  const own = useRef(new Set<string>());
  useNames(ids, names, files, (id, name) => setNames((before) => ({ ...before, [id]: name })));

  const add = (chosen: readonly File[]) => {
    const room = Math.max(0, MAX_FILES - ids.length - uploads.length);
    const fitting = chosen.filter((file) => tooLarge(field, file) === null).slice(0, room);
    const left = chosen.flatMap((file) => tooLarge(field, file) ?? []);
    const many = chosen.length - left.length > room ? [`At most ${MAX_FILES} files are taken; remove one first.`] : [];
    setRefused([...left, ...many]);
    for (const file of fitting) {
      const upload = async (signal: AbortSignal) => {
        const made = await files.upload(file, { signal });
        own.current.add(made.id);
        setNames((before) => ({ ...before, [made.id]: made.name }));
        onChange((before) => [...(typeof before === "string" ? idsIn(before) : []), made.id].join(", "));
      };
      begin(file.name, upload, (error) => setRefused((before) => [...before, `${file.name}: ${sentenceOf(error)}`]));
    }
  };
  const remove = (id: string) => {
    onChange((before) => (typeof before === "string" ? idsIn(before) : []).filter((each) => each !== id).join(", "));
    if (own.current.delete(id)) files.delete(id).catch(() => undefined); // it goes by itself otherwise
  };

  return (
    <>
      <input
        {...common}
        type="file"
        multiple
        accept={field.accept}
        data-uploading={uploads.length > 0 ? "" : undefined}
        onChange={({ target }) => {
          add([...(target.files ?? [])]);
          target.value = ""; // so that the same file can be chosen again
        }}
      />
      <Given {...{ ids, names, uploads, classNames }} onRemove={remove} />
      {refused.length > 0 && (
        <span className={classOf(classNames, "fault")} role="alert">
          {refused.join(" ")}
        </span>
      )}
    </>
  );
}

interface GivenProps {
  ids: readonly string[];
  names: Readonly<Record<string, string>>;
  uploads: readonly Upload[];
  classNames: FormClassNames | undefined;
  onRemove: (id: string) => void;
}

/** The files that are given, and those on their way. */
function Given({ ids, names, uploads, classNames, onRemove }: GivenProps) {
  if (ids.length + uploads.length === 0) return null;
  const [file, remove] = [classOf(classNames, "file"), classOf(classNames, "remove")];
  const nameOf = (id: string) => names[id] ?? id;
  return (
    <ul className={classOf(classNames, "files")} aria-label="Files">
      {ids.map((id) => (
        <li key={id} className={file}>
          <span>{nameOf(id)}</span>
          <Remove name={nameOf(id)} className={remove} onClick={() => onRemove(id)} />
        </li>
      ))}
      {uploads.map(({ key, name, stop }) => (
        <li key={key} className={file}>
          <span>{name}</span>
          <progress className={classOf(classNames, "progress")} aria-label={`Uploading ${name}`} />
          <Remove name={name} className={remove} onClick={() => stop.abort()} />
        </li>
      ))}
    </ul>
  );
}

function Remove({ name, className, onClick }: { name: string; className: string; onClick: () => void }) {
  return (
    <button type="button" className={className} aria-label={`Remove ${name}`} onClick={onClick}>
      Remove
    </button>
  );
}

/** The uploads that are under way; they end with the page. */
function useUploads() {
  const [uploads, set] = useState<readonly Upload[]>([]);
  const next = useRef(0);
  const stops = useRef(new Set<AbortController>());
  useEffect(() => {
    const under = stops.current;
    return () => under.forEach((stop) => stop.abort());
  }, []);
  const begin = (
    name: string,
    upload: (signal: AbortSignal) => Promise<void>,
    failed: (error: unknown) => void,
  ): void => {
    const stop = new AbortController();
    const key = next.current++;
    stops.current.add(stop);
    set((before) => [...before, { key, name, stop }]);
    upload(stop.signal)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) failed(error);
      })
      .finally(() => {
        stops.current.delete(stop);
        set((before) => before.filter((each) => each.key !== key));
      });
  };
  return { uploads, begin };
}

/** Asks for the names of files that were there before this form was. */
function useNames(
  ids: readonly string[],
  names: Readonly<Record<string, string>>,
  files: FormFiles,
  told: (id: string, name: string) => void,
): void {
  const asked = useRef(new Set<string>());
  useEffect(() => {
    for (const id of ids) {
      if (id in names || asked.current.has(id)) continue;
      asked.current.add(id);
      files.info(id).then(
        ({ name }) => told(id, name),
        () => undefined, // its id stands for it
      );
    }
  });
}

function tooLarge({ maxSize = MAX_FILE_BYTES }: PresentationField, file: File): string | null {
  const most = Math.min(maxSize, MAX_FILE_BYTES);
  return file.size > most ? `${file.name} has ${sizeOf(file.size)}, and at most ${sizeOf(most)} are taken.` : null;
}

function sentenceOf(error: unknown): string {
  return error instanceof InterlockError ? error.message : "It couldn't be uploaded; try again.";
}

/** A size in words. */
export function sizeOf(bytes: number): string {
  const [unit, size] = bytes >= 1 << 20 ? ["MB", bytes / (1 << 20)] : ["kB", bytes / 1024];
  if (bytes < 100) return `${bytes} bytes`;
  return `${Math.round(size * 10) / 10} ${unit}`;
}
