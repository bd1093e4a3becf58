/**
 * Running scripts on the server: by their hash, and with their text when the server does not know it (after `SCRIPT FLUSH`,
 * a restart or a change of server). Owns no connection.
 */
import { createHash } from 'node:crypto';
import type { Cluster, Command, Redis } from 'ioredis';
import { COMMIT } from './lua/commit.js';
import { FIND_OFFERS, OFFER, PEEK_INBOX } from './lua/inbox.js';
import { LAST_OUTGOING } from './lua/outbox.js';
import { FORGET_OPENINGS, OPEN, RELEASE, RENEW } from './lua/ownership.js';
import { READ } from './lua/reads.js';
import { FORGET_SESSIONS } from './lua/sessions.js';
import { MAKE_STORE } from './lua/store.js';
import { type TextCommand, textCommandOf } from './text-command.js';

export type RedisClient = Redis | Cluster;

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

export const SCRIPTS = {
  commit: script(COMMIT),
  offer: script(OFFER),
  peekInbox: script(PEEK_INBOX),
  findOffers: script(FIND_OFFERS),
  lastOutgoing: script(LAST_OUTGOING),
  forgetSessions: script(FORGET_SESSIONS),
  open: script(OPEN),
  release: script(RELEASE),
  renew: script(RENEW),
  forgetOpenings: script(FORGET_OPENINGS),
  makeStore: script(MAKE_STORE),
  read: script(READ),
} as const;

let TextCommandOf: TextCommand | undefined;

/** The client library is loaded late; from then on scripts are called with commands of our own. */
export function useCommand(command: typeof Command): void {
  TextCommandOf = textCommandOf(command);
}

function evalsha(client: RedisClient, sha: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
  if (TextCommandOf === undefined) return client.evalsha(sha, keys.length, ...keys, ...args);
  const command = new TextCommandOf('evalsha', [sha, String(keys.length)].concat(keys, args));
  return client.sendCommand(command) as Promise<unknown>;
}

/** The script's answer. It runs at most once: a server that does not know the hash has run nothing. */
export async function runScript(
  client: RedisClient,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  try {
    return await evalsha(client, sha, keys, args);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error;
    return client.eval(text, keys.length, ...keys, ...args);
  }
}
