/** `0:07`, `12:03`, `1:02:03`. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** `PT1H2M3S`, for the `datetime` attribute (ISO 8601). */
export function isoDuration(ms: number): string {
  return `PT${Math.max(0, Math.floor(ms / 1_000))}S`;
}

const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `999`, `12.3K`. */
export function compact(count: number): string {
  return COMPACT.format(count);
}

/** `1 viewer`, `12.3K viewers`. */
export function viewers(count: number): string {
  return `${compact(count)} ${count === 1 ? 'viewer' : 'viewers'}`;
}

/** `2.5 Mb/s`, `640 kb/s`. */
export function bitrate(bitsPerSecond: number): string {
  const megabits = bitsPerSecond / 1_000_000;
  return megabits >= 1 ? `${megabits.toFixed(1)} Mb/s` : `${Math.round(bitsPerSecond / 1_000)} kb/s`;
}

/** `14 ms`; a dash where it is not known. */
export function milliseconds(value: number | null): string {
  return value === null ? '–' : `${Math.round(value)} ms`;
}

/** `0.4 %`; whole numbers from ten. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

/** `720p`: the shorter side, as people name sizes. */
export function pictureSize(width: number, height: number): string {
  return width === 0 || height === 0 ? '–' : `${Math.min(width, height)}p`;
}

const TIME_OF_DAY = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** `20:15`, as people write it where they are. */
export function timeOfDay(at: number): string {
  return TIME_OF_DAY.format(at);
}

/** `30 seconds`, `1 minute`, `2 minutes`: the larger unit where it comes out even. */
export function duration(seconds: number): string {
  const [count, unit] = seconds >= 60 && seconds % 60 === 0 ? [seconds / 60, 'minute'] : [seconds, 'second'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** `the session is full` → `The session is full.` */
export function asSentence(message: string): string {
  const text = message.trim();
  return text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? '' : '.'}`;
}
