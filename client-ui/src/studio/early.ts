/** Candidates that are kept for a description that has not come: a device has a few dozen addresses at most. */
export const MAX_EARLY = 64;
