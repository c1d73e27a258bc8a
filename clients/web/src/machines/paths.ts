/** Addresses of machines, of the editor, and of errors. Pure. */

/** A machine's page, with one of its versions. */
export function machineOf(name: string, versionId?: string): string {
  const version = versionId === undefined ? "" : `/${encodeURIComponent(versionId)}`;
  return `/machines/${encodeURIComponent(name)}${version}`;
}

/** The editor: of a new machine, or of what a version says. */
export function editorOf(name?: string, versionId?: string): string {
  if (name === undefined || versionId === undefined) return "/editor";
  return `/editor/${encodeURIComponent(name)}/${encodeURIComponent(versionId)}`;
}
