/** An owner that commits rounds of messages: some appended and started, those of the round before completed. */
import type { Transition } from '../../../src/wal/transition.js';
import type { CommitAnswer, OpenedShard, Wal } from '../../../src/wal/wal.js';

export class CommitSeries {
  completed = 0;
  last = 0;
  #number = 0;
  #started: number[] = [];

  private constructor(
    readonly wal: Wal,
    readonly opened: OpenedShard,
    readonly incarnation: string,
  ) {}

  static async open(wal: Wal, incarnation = 'owner'): Promise<CommitSeries> {
    const opened = await wal.open(0, incarnation);
    const series = new CommitSeries(wal, opened, incarnation);
    series.last = opened.nextSeq - 1;
    return series;
  }

  async commit(...transitions: readonly Transition[]): Promise<CommitAnswer> {
    const { epoch } = this.opened;
    const answer = await this.wal.commit({
      shard: 0,
      epoch,
      incarnation: this.incarnation,
      number: this.#number + 1,
      transitions,
    });
    this.#number += 1;
    return answer;
  }

  append(dispatch = false, payload = '{"amount":12.5,"note":"something to carry along"}'): Transition {
    this.last += 1;
    const entityId = `a-${this.last % 500}`;
    const id = `series-${this.last.toString(36)}`;
    return {
      type: 'append',
      dispatch,
      message: { id, kind: 'command', entityType: 'account', entityId, name: 'Deposit', payload },
    };
  }

  async round(messages: number): Promise<void> {
    const endings = this.#started.map((seq) => ({ type: 'complete', seq }) as const);
    const appends = Array.from({ length: messages }, () => this.append(true));
    const { outcomes } = await this.commit(...endings, ...appends);
    this.#started = outcomes.flatMap((outcome) =>
      outcome.type === 'appended' && outcome.dispatched ? [outcome.seq] : [],
    );
    this.completed += endings.length;
  }
}
