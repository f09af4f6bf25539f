/**
 * The background picture as a CSS image; `null` where `path` does not lead to a file of this server. The address parser
 * escapes the quotation marks, so that nothing in a path can end the string.
 */
export function backgroundImage(path: string | null, origin: string): string | null {
  if (path === null || path === '') {
    return null;
  }
  try {
    const url = new URL(path, origin);
    return url.origin === new URL(origin).origin ? `url("${url.href.replaceAll('"', '%22')}")` : null;
  } catch {
    return null;
  }
}
