import type { ParticipantAction } from '../protocol/bindings';

/** What is asked before something that cannot be taken back. */
export interface MeasureWords {
  readonly title: string;
  readonly explanation: string;
  readonly verb: string;
}

/** The question before `action` is done to `name`. */
export function measureWords(action: ParticipantAction, name: string): MeasureWords {
  if (action === 'ban') {
    return {
      title: `Ban ${name}?`,
      explanation:
        'They leave at once and cannot come back while this session lasts; nor can anybody unknown from the same network address.',
      verb: 'Ban',
    };
  }
  return {
    title: `Remove ${name}?`,
    explanation: 'They leave at once and cannot come back while this session lasts.',
    verb: 'Remove',
  };
}
