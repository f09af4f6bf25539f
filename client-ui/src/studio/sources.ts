import type { TrackSource } from '../protocol/bindings';

/** The order of the media sections in a first offer. */
export const SOURCES: readonly TrackSource[] = ['microphone', 'camera', 'screen', 'screen_audio'];

/** A source that comes and goes while one is on the stage; the others are devices, which are muted or exchanged. */
export function isShared(source: TrackSource): boolean {
  return source === 'screen' || source === 'screen_audio';
}

/**
 * Where the tracks of an offer come from, by the media section.
 *
 * @param sections - transceivers, whose `mid` is known once the offer is the local description
 */
export function sourceMap(
  sections: ReadonlyMap<TrackSource, Pick<RTCRtpTransceiver, 'mid'>>,
): Record<string, TrackSource> {
  const named = [...sections].flatMap(([source, { mid }]): [string, TrackSource][] =>
    mid === null ? [] : [[mid, source]],
  );
  return Object.fromEntries(named);
}
