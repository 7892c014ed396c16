// Where a provider that others wrote answers differently from what the specification's text says, as
// this program reads it. `only` limits an entry to some variants. An entry that does not differ any more
// fails the run, so the list stays true.

const ASSERTED = ({ authentication }) => authentication === 'private_key_jwt';

export const differences = {
  'oidc-provider': [
    {
      module: 'answer-after-two-quick-polls-is-slow-down',
      peer: 'it keeps no pace: every poll of a pending request is authorization_pending',
      text: 'CIBA 11: slow_down when the client polls too fast; CIBA 7.3 makes 5 s the interval when none is given',
    },
    {
      module: 'sixteen-polls-at-once-get-one-set-of-tokens',
      peer: 'a poll that loses the race counts as a replay and revokes the tokens of the one that won',
      text: 'no section asks for that; RFC 6749 4.1.2 says SHOULD for an authorization code. Here a repeated poll is harmless for 60 s',
    },
    {
      module: 'request-object-typ-of-another-kind',
      peer: 'the header `typ` is not looked at',
      text: 'RFC 8725 3.11 recommends explicit types, RFC 9101 10.8.1 lets a server insist on this one',
    },
    {
      module: 'request-object-jti-is-used-once',
      peer: '`jti` of a request object must be there and is not remembered',
      text: 'CIBA 7.1.1 only requires it to be there; RFC 7519 4.1.7: it "can be used to prevent the JWT from being replayed"',
    },
    {
      module: 'assertion-beside-a-secret-fails',
      only: ASSERTED,
      peer: 'client_secret is not read when no client may use it',
      text: 'RFC 6749 2.3: the client MUST NOT use more than one authentication method in each request',
    },
  ],
};
