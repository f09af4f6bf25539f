import { type NamedDevice, namedDevices } from '../studio/devices';
import { type OutputEvents, type Outputs, SYSTEMS_OWN, type Sounding } from './outputs';

/** What a browser may lack (W3C Audio Output Devices API §3.1). */
type Devices = Pick<MediaDevices, 'enumerateDevices' | 'addEventListener' | 'removeEventListener'> & {
  selectAudioOutput?: (options?: { deviceId?: string }) => Promise<Pick<MediaDeviceInfo, 'deviceId' | 'label'>>;
};

/** Chromium lists the system's choice as a device of its own, besides. */
const LISTED_DEFAULT = 'default';

/** The loudspeakers that a browser tells of. Sound comes out of the page's elements. */
export class BrowserOutputs implements Outputs {
  readonly ask?: () => Promise<NamedDevice>;
  readonly #devices: Devices;
  readonly #followers = new Set<OutputEvents>();
  #elements: readonly Sounding[] = [];
  #used = SYSTEMS_OWN;

  constructor(devices: Devices) {
    this.#devices = devices;
    const select = devices.selectAudioOutput?.bind(devices);
    if (select !== undefined) {
      this.ask = async () => {
        const { deviceId, label } = await select();
        return { id: deviceId, name: label };
      };
    }
  }

  async list(): Promise<readonly NamedDevice[]> {
    const found = await this.#devices.enumerateDevices();
    return namedDevices(found, 'audiooutput').filter(({ id }) => id !== LISTED_DEFAULT);
  }

  async use(id: string): Promise<void> {
    this.#used = id;
    await Promise.all(this.#elements.map((element) => element.setSinkId(id)));
  }

  follow(events: OutputEvents): () => void {
    const changed = (): void => events.changed();
    this.#followers.add(events);
    this.#devices.addEventListener('devicechange', changed);
    return () => {
      this.#followers.delete(events);
      this.#devices.removeEventListener('devicechange', changed);
    };
  }

  carry(element: Sounding): () => void {
    this.#elements = [...this.#elements, element];
    if (this.#used !== SYSTEMS_OWN) {
      element.setSinkId(this.#used).catch(() => this.#followers.forEach((events) => events.changed()));
    }
    return () => {
      this.#elements = this.#elements.filter((one) => one !== element);
    };
  }
}

/** Those of this browser, where it lets pages choose; `undefined` elsewhere. */
export function browserOutputs(): Outputs | undefined {
  if (typeof HTMLMediaElement !== 'function' || !('setSinkId' in HTMLMediaElement.prototype)) {
    return undefined;
  }
  // A page without a secure context knows of none.
  const devices = (navigator as Partial<Navigator>).mediaDevices;
  return devices === undefined ? undefined : new BrowserOutputs(devices);
}
