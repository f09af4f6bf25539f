const NOT_GOOD = 'The key in your link does not let you go live here. Ask whoever runs the server for a new link.';

/**
 * What is said to somebody who may not go live, by the codes of `server/src/http/error.rs` and `server/src/auth/refusal.rs`.
 * For all others, the server's own words do.
 */
export const CREATION_WORDS: Readonly<Record<string, string>> = {
  api_key_required:
    'This server lets only people with a key go live. Ask whoever runs it for a link that has one in it, and open that.',
  unauthorized: NOT_GOOD,
  tokens_disabled: NOT_GOOD,
  token_malformed: NOT_GOOD,
  token_algorithm: NOT_GOOD,
  token_signature: NOT_GOOD,
  token_claims: NOT_GOOD,
  token_other_session: NOT_GOOD,
  token_expired: 'Your link has expired: its time is over. Ask whoever runs the server for a new one.',
  token_not_yet_valid: 'Your link is not good yet. Try again when its time has come.',
  session_id_required:
    'The key in your link does not say which stream it is for. Ask whoever runs the server for a new link.',
  session_exists:
    'The stream that your link is for has begun already, in another window or on another device. End it there, then try again.',
  not_host:
    'Your link is for somebody who watches or joins, and not for going live. Ask whoever runs the server for another.',
};
