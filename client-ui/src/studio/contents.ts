import type { TrackSource } from '../protocol/bindings';
import { isShared } from './sources';

/** What a media section shows, in the words of RFC 4796 §5: a person, or what they share. */
export type Content = 'main' | 'slides';

/** @param source - of what a section sends */
export function contentOf(source: TrackSource): Content {
  return isShared(source) ? 'slides' : 'main';
}

/**
 * Says in a description what its sections show, for the other browser's page: neither browser minds an attribute that it does not
 * know (RFC 8866 §5.13).
 *
 * @param contents - by the sections' identification tags
 */
export function withContents(sdp: string, contents: ReadonlyMap<string, Content>): string {
  return sdp.replace(/^a=mid:(\S+)(\r?\n)/gm, (line, mid: string, end: string) => {
    const content = contents.get(mid);
    return content === undefined ? line : `${line}a=content:${content}${end}`;
  });
}

/** What the sections of a description show, by their identification tags, as far as it says so. */
export function contentsIn(sdp: string): Map<string, Content> {
  const contents = new Map<string, Content>();
  for (const section of sdp.split(/(?=^m=)/m)) {
    const mid = section.match(/^a=mid:(\S+)/m)?.[1];
    const content = section.match(/^a=content:(main|slides)\s*$/m)?.[1];
    if (mid !== undefined && content !== undefined) {
      contents.set(mid, content as Content);
    }
  }
  return contents;
}
