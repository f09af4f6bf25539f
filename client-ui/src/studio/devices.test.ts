import { describe, expect, it } from 'vitest';
import { facingOf, isMirrored, namedDevices, nextDevice, recalled } from './devices';

const device = (kind: MediaDeviceKind, deviceId: string, label: string) => ({ kind, deviceId, label });

describe('namedDevices', () => {
  it('lists each device of a kind once, by a name that people know', () => {
    const found = [
      device('audioinput', 'default', 'Default - Headset'),
      device('audioinput', 'communications', 'Communications - Headset'),
      device('audioinput', 'h', 'Headset'),
      device('videoinput', 'c', 'HD Webcam (046d:0825)'),
      device('videoinput', 'd', ''),
      device('videoinput', 'd', ''),
      device('audiooutput', 's', 'Speaker'),
    ];
    expect(namedDevices(found, 'videoinput')).toEqual([
      { id: 'c', name: 'HD Webcam' },
      { id: 'd', name: 'Camera 2' },
    ]);
    expect(namedDevices(found, 'audioinput')).toEqual([
      { id: 'default', name: 'Default - Headset' },
      { id: 'h', name: 'Headset' },
    ]);
  });

  it('has none to choose from before there is a permission', () => {
    expect(namedDevices([device('videoinput', '', '')], 'videoinput')).toEqual([]);
  });
});

describe('recalled', () => {
  const devices = [
    { id: '1', name: 'Front' },
    { id: '2', name: 'Back' },
  ];

  it('finds a device again by its id, or by its name where the browser gave it another id', () => {
    expect(recalled(devices, { id: '2', name: 'Front' })?.id).toBe('2');
    expect(recalled(devices, { id: 'old', name: 'Back' })?.id).toBe('2');
    expect(recalled(devices, { id: 'old', name: 'Gone' })).toBeNull();
    expect(recalled(devices, { id: 'old', name: '' })).toBeNull();
    expect(recalled(devices, null)).toBeNull();
  });

  it('goes round', () => {
    expect(nextDevice(devices, '1')?.id).toBe('2');
    expect(nextDevice(devices, '2')?.id).toBe('1');
    expect(nextDevice(devices, null)?.id).toBe('1');
    expect(nextDevice(devices.slice(0, 1), '1')).toBeNull();
    expect(nextDevice([], null)).toBeNull();
  });
});

describe('facingOf', () => {
  it.each([
    [{ facingMode: 'user' }, '', 'user', true],
    [{ facingMode: 'environment' }, 'Front', 'environment', false],
    [{}, 'camera2 0, facing back', 'environment', false],
    [{}, 'FaceTime HD Camera', 'user', true],
    [{}, 'Backdrop Pro', 'unknown', true],
  ])('%o %s', (settings, label, facing, mirrored) => {
    expect(facingOf({ getSettings: () => settings, label })).toBe(facing);
    expect(isMirrored(facingOf({ getSettings: () => settings, label }))).toBe(mirrored);
  });
});
