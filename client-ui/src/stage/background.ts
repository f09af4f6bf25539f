/**
 * The background picture as a CSS image; `null` where `path` does not lead to a file of this server. The address parser
 * escapes the quotation marks, so that nothing in a path can end the string.
 *
 * @param origin - of the server
 * @param pictureUrl - where a style finds a picture of the server
 */
export function backgroundImage(path: string | null, origin: string, pictureUrl = (url: URL) => url): string | null {
  if (path === null || path === '') {
    return null;
  }
  try {
    const url = new URL(path, origin);
    if (url.origin !== new URL(origin).origin) {
      return null;
    }
    return `url("${pictureUrl(url).href.replaceAll('"', '%22')}")`;
  } catch {
    return null;
  }
}
