import { CELLULAR_QUALITY, DEFAULT_QUALITY, type Quality } from './quality';

/**
 * How long another network is to last before it counts, in milliseconds: at the edge of a Wi-Fi, phones go to and fro, and a
 * way that was just found would be given up again.
 */
const SETTLE_MS = 1_000;

/** What some browsers tell of the network (WICG Network Information §5); the others tell nothing. */
interface NetworkInformation extends Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>> {
  readonly type?: string;
  readonly saveData?: boolean;
}

function informationOf(navigator: object): NetworkInformation {
  return (navigator as { connection?: NetworkInformation }).connection ?? {};
}

/** How good a picture is to be on this network, for somebody who has not chosen. */
export function defaultQuality(navigator: object): Quality {
  const { type, saveData = false } = informationOf(navigator);
  return type === 'cellular' || saveData ? CELLULAR_QUALITY : DEFAULT_QUALITY;
}

/** The part of a window that is needed. */
interface NetworkView extends Pick<EventTarget, 'addEventListener' | 'removeEventListener'> {
  readonly navigator: object;
}

/**
 * Tells whenever the device has come to another network. After a gap, `online` says so; where there is none, as from Wi-Fi to
 * cellular, only the kind of network is another one. What is thought of its speed changes all the time, and means nothing.
 *
 * @returns what ends that
 */
export function followNetwork(view: NetworkView, changed: () => void): () => void {
  const information = informationOf(view.navigator);
  let known = information.type;
  let settling: ReturnType<typeof setTimeout> | undefined;
  const tell = (): void => {
    clearTimeout(settling);
    known = information.type;
    changed();
  };
  const look = (): void => {
    clearTimeout(settling);
    if (information.type !== known && information.type !== 'none') {
      settling = setTimeout(tell, SETTLE_MS);
    }
  };
  view.addEventListener('online', tell);
  information.addEventListener?.('change', look);
  return () => {
    clearTimeout(settling);
    view.removeEventListener('online', tell);
    information.removeEventListener?.('change', look);
  };
}
