/**
 * What this node tells others and hears from them: each message that arrives goes where it belongs, and what is for this
 * node itself does not leave it. Everything here may be lost; nothing relies on it.
 *
 * Owns: the requests that are open here, and the desk that answers those of others.
 */
import type { VolatileQuery } from '../entity/cluster-hooks.js';
import type { ReplyWaiter } from '../entity/reply-waiter.js';
import { entityKey } from '../message/entity-key.js';
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';
import type { Deadlines } from '../runtime/deadlines.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Outlook } from './outlook.js';
import type { RemoteWaits } from './remote-waits.js';
import { RequestDesk, type RequestDeskOptions } from './request-desk.js';
import { type Request, Requests } from './requests.js';
import type { TenureOptions } from './tenure.js';
import type { Tenures } from './tenures.js';
import type { Transport, TransportMessage } from './transport/transport.js';

export interface MailRoomOptions {
  readonly runtime: Runtime;
  readonly transport: Transport;
  /** This node's own. */
  readonly address: string;
  readonly outlook: Outlook;
  readonly tenures: () => Tenures;
  readonly waits: RemoteWaits;
  readonly deadlines: Deadlines;
  readonly encodeReply: RequestDeskOptions['encodeReply'];
  /** Something of the cluster store has changed. */
  readonly changed: () => void;
  /** Runs a callback outside of any handler's async context. */
  readonly detached: (callback: () => void) => void;
}

/** The floor under lost wake hints, milliseconds; a poll costs the server one small script. */
const OFFER_POLL_MS = 250;

export class MailRoom {
  readonly requests: Requests;
  private readonly desk: RequestDesk;
  private isOpen = false;

  constructor(private readonly options: MailRoomOptions) {
    const { runtime, encodeReply } = options;
    const { clock, timers } = runtime;
    this.requests = new Requests({ clock, timers, send: (request) => this.sendToOwner(request) });
    this.desk = new RequestDesk({
      serving: (shard) => options.tenures().serving(shard),
      send: (to, message) => this.send(to, message),
      encodeReply,
    });
  }

  async open(): Promise<void> {
    const { transport, address, detached } = this.options;
    this.isOpen = true;
    await transport.start(address, (message) => detached(() => this.receive(message)));
  }

  /** Nothing is heard from now on, and nothing asked is answered. */
  async close(): Promise<void> {
    this.isOpen = false;
    this.requests.stop();
    await this.options.transport.stop();
  }

  tellAll(message: TransportMessage): void {
    this.options.transport.send('*', message);
  }

  /** What the owner of a shard needs of the other nodes. */
  hooksOf(shard: number): TenureOptions['hooks'] {
    const { address, deadlines, waits, outlook } = this.options;
    return {
      address,
      offerPollMs: OFFER_POLL_MS,
      deadlines,
      ownerOf: (other) => outlook.ownerOf(other)?.incarnation,
      tell: (replyTo, id, verdict) => this.send(replyTo, { type: 'verdict', id, verdict }),
      waitElsewhere: (id, subject, waiter) => waits.add(shard, id, subject, waiter),
      askElsewhere: (query, waiter) => {
        const key = entityKey(query.entityType, query.entityId);
        this.ask(outlook.routes.shardOf(query.entityType, key) ?? shard, query, waiter);
      },
    };
  }

  /** Puts a query to whoever owns its entity. */
  ask(shard: number, { entityType, entityId, name, payload, headers }: VolatileQuery, waiter: ReplyWaiter): void {
    const { runtime, address, waits } = this.options;
    const id = runtime.freshId();
    const subject = { entityType, entityId, name };
    this.requests.send(
      { type: 'ask', id, replyTo: address, shard, entityType, entityId, name, payload, headers },
      (answer) => {
        if (answer.type === 'verdict') waits.answerNow(waiter, { messageId: id, ...subject }, answer.verdict);
        else if (answer.type === 'refused') {
          const { code, text, retryable } = answer;
          waiter.fail(new AtomicQueuesError(code, text, { subject, retryable }));
        }
      },
      () => !waiter.isSettled,
      () => waiter.fail(notAnswered(subject)),
    );
  }

  private receive(message: TransportMessage): void {
    if (!this.isOpen) return;
    const { waits, changed } = this.options;
    const tenures = this.options.tenures();
    switch (message.type) {
      case 'wake':
        tenures.serving(message.shard)?.offered(message.offers);
        return;
      case 'released':
        if (tenures.missing > 0) void tenures.look();
        return;
      case 'changed':
        changed();
        return;
      case 'verdict':
        if (!this.requests.answered(message)) waits.deliver(message.id, message.verdict);
        return;
      case 'operated':
      case 'refused':
        this.requests.answered(message);
        return;
      case 'not-here':
        this.requests.notHere(message.id);
        return;
      case 'ask':
      case 'operate':
        this.desk.receive(message);
        return;
    }
  }

  private send(to: string, message: TransportMessage): void {
    const { address, transport, runtime, detached } = this.options;
    if (to !== address) transport.send(to, message);
    else runtime.timers.defer(() => detached(() => this.receive(message)));
  }

  private sendToOwner(request: Request): void {
    const { address, outlook, tenures } = this.options;
    const isHere = tenures().serving(request.shard) !== undefined;
    const owner = isHere ? address : outlook.ownerOf(request.shard)?.incarnation;
    if (owner !== undefined) this.send(owner, request);
  }
}

function notAnswered(subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError('SHUTTING_DOWN', 'This node has stopped; the query was not answered. Ask again.', {
    subject,
  });
}
