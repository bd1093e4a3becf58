/**
 * What TLS fails with, in words: what the other side objects to and which option is about it. What both sides say of each
 * other does not change by itself, so all of it stays until someone changes something.
 */

interface Explained {
  /** Of the code and the message, with a blank between them. */
  readonly pattern: RegExp;
  /** The rest of a sentence that begins with the server. */
  readonly says: string;
}

const EXPLAINED: readonly Explained[] = [
  {
    pattern: /ALTNAME_INVALID|does not match certificate's altnames/,
    says: 'has a certificate for other names; connect by one that is in it, or give that as redis.tls.servername',
  },
  {
    pattern: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate (has expired|is not yet valid)/,
    says: "has a certificate that is not valid today (redis.tls); look at its dates and at this machine's clock",
  },
  {
    pattern:
      /^(SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)|self-signed certificate|unable to (verify the|get (local )?issuer)/,
    says: 'has a certificate of an authority that is not trusted here; give the certificate of that authority as redis.tls.ca',
  },
  {
    pattern: /alert certificate required|alert handshake failure/i,
    says: 'wants a certificate of this client, or shares no cipher with it; give redis.tls.cert and redis.tls.key',
  },
  {
    pattern: /alert (unknown ca|bad certificate|unsupported certificate|certificate (revoked|expired|unknown))/i,
    says: 'does not accept the certificate of this client (redis.tls.cert)',
  },
  {
    pattern: /alert protocol version|unsupported protocol|no protocols available/i,
    says: 'shares no version of TLS with this client (redis.tls.minVersion, redis.tls.maxVersion)',
  },
  {
    pattern: /wrong version number|packet length too long/i,
    says: 'does not speak TLS at this port; name the port that does, or leave TLS out (redis.tls, rediss://)',
  },
  {
    pattern: /^ERR_OSSL_|PEM routines|key values mismatch/,
    says: 'was not even tried, because what this client is to show cannot be read (redis.tls.cert, redis.tls.key, redis.tls.ca)',
  },
  {
    pattern: /^(ERR_TLS_|ERR_SSL_|CERT_|HOSTNAME_MISMATCH|EPROTO)|SSL routines/,
    says: 'cannot be reached with TLS as configured (redis.tls)',
  },
];

/** The rest of a sentence that begins with the server; undefined if TLS is not what `error` is about. */
export function tlsFault(error: Error): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException;
  const known = EXPLAINED.find(({ pattern }) => pattern.test(`${code} ${error.message}`));
  return known === undefined ? undefined : `${known.says}: ${reasonIn(error.message)}`;
}

/** OpenSSL names its own source file, and the reason between colons. */
function reasonIn(message: string): string {
  return /error:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/i.exec(message)?.[1] ?? message;
}

/** How a connection without TLS ends at a port with it, and without an answer, so that nobody can be sure. */
const BROKEN_OFF = /ECONNRESET|EPIPE|Connection is closed|has not let this client in/;
/** The other way round: a port without TLS waits for the end of what it takes for a command. */
const UNANSWERED = /ETIMEDOUT|\btimeout\b|ECONNRESET|EPIPE|before secure TLS connection|has not let this client in/;

/** What may be the matter when nothing else is known; a sentence, or nothing. */
export function tlsHint(message: string, usesTls: boolean): string {
  if (usesTls && UNANSWERED.test(message)) {
    return ` No TLS came about: if this port has none, name the one that has, or leave TLS out (redis.tls, rediss://).`;
  }
  if (!usesTls && BROKEN_OFF.test(message)) {
    return ` If this port wants TLS, which breaks connections without it off, set redis.tls or take a URL with rediss://.`;
  }
  return '';
}
