/** How far a camera can zoom. */
export interface ZoomRange {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** What a camera's lens and lamp can do (W3C MediaStream Image Capture §4). */
export interface Lens {
  readonly torch: boolean;
  /** `null` where it cannot zoom. */
  readonly zoom: ZoomRange | null;
}

/** A camera that can do neither. */
export const PLAIN_LENS: Lens = { torch: false, zoom: null };

/** How lens and lamp are set; what is `null` is left to the camera. */
export interface LensSetting {
  readonly torch: boolean | null;
  readonly zoom: number | null;
}

/** As a camera comes. */
export const AS_IT_COMES: LensSetting = { torch: null, zoom: null };

/** Not in the types of TypeScript 6, which have the settings alone. */
interface ImageCaptureCapabilities extends MediaTrackCapabilities {
  readonly torch?: boolean | readonly boolean[];
  readonly zoom?: Partial<ZoomRange>;
}

/** Zoom that goes in steps too fine for a finger is put into this many. */
const COARSEST_STEPS = 100;

/** Reads what the camera behind `track` offers; browsers of computers and Firefox offer nothing. */
export function lensOf(track: Pick<MediaStreamTrack, 'getCapabilities'>): Lens {
  // Firefox has it since 132.
  const capabilities = (track as Partial<MediaStreamTrack>).getCapabilities?.call(track) as
    ImageCaptureCapabilities | undefined;
  const { torch = false, zoom } = capabilities ?? {};
  const { min = 1, max = 1, step = 0 } = zoom ?? {};
  return {
    // A single value in the specification, and a list of them in Chromium until 2019.
    torch: Array.isArray(torch) ? torch.includes(true) : torch === true,
    zoom: max > min ? { min, max, step: step > 0 ? step : (max - min) / COARSEST_STEPS } : null,
  };
}

/** The constraints that set the lens so; none where all of it is left to the camera. */
export function lensConstraints({ torch, zoom }: LensSetting): Pick<MediaTrackConstraints, 'advanced'> {
  const set = { ...(torch !== null && { torch }), ...(zoom !== null && { zoom }) };
  // Chromium takes neither among the basic constraints.
  return Object.keys(set).length === 0 ? {} : { advanced: [set as MediaTrackConstraintSet] };
}
