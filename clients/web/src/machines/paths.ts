/** Addresses of machines, of the editor, and of errors. Pure. */

/** A machine's page, with one of its versions. */
export function machineOf(name: string, versionId?: string): string {
  const version = versionId === undefined ? "" : `/${encodeURIComponent(versionId)}`;
  return `/machines/${encodeURIComponent(name)}${version}`;
}

/** Whether a run's version is one that is stored, and not the label of a workflow in Python. */
export function isVersionId(version: string | null | undefined): version is string {
  return version !== null && version !== undefined && /^v_[0-9a-f]{20}$/.test(version);
}

/** The editor: of a new machine, or of what a version says. */
export function editorOf(name?: string, versionId?: string): string {
  if (name === undefined || versionId === undefined) return "/editor";
  return `/editor/${encodeURIComponent(name)}/${encodeURIComponent(versionId)}`;
}
