import { CELLULAR_QUALITY, DEFAULT_QUALITY, type Quality } from './quality';

/** What some browsers tell of the network (WICG Network Information §5); the others tell nothing. */
interface NetworkInformation {
  readonly type?: string;
  readonly saveData?: boolean;
}

/** How good a picture is to be on this network, for somebody who has not chosen. */
export function defaultQuality(view: object): Quality {
  const { type, saveData = false } = (view as { connection?: NetworkInformation }).connection ?? {};
  return type === 'cellular' || saveData ? CELLULAR_QUALITY : DEFAULT_QUALITY;
}
