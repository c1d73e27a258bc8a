export const TARGET: URL;
export function generated(): Promise<string>;
