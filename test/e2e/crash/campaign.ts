/**
 * A campaign: one store, one process after the other on it, each killed somewhere, and a last one that finishes what is
 * left. What they did is judged afterwards by judges that know nothing of each other.
 */
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../../src/runtime/random.js';
import { HistoryFile } from '../../../src/testing/history-log.js';
import { type ChildEnd, runChild } from './child-process.js';
import { judgeEffects } from './effects-judge.js';
import { judgeHistory } from './history-judge.js';
import { below, type ChildPlan, campaignPlan, type PlantedBug, type Round, roundPlan } from './plan.js';
import { judgeStore } from './store-judge.js';

export interface CampaignOptions {
  readonly seed: number;
  readonly kills: number;
  /** The Node binaries to use, in turn by chance. */
  readonly nodes: readonly string[];
  /** A bug for the first process. */
  readonly bug?: PlantedBug;
}

export interface CampaignReport {
  readonly folder: string;
  readonly kills: number;
  /** Processes that were through before they could be killed. */
  readonly stops: number;
  readonly commands: number;
  readonly starts: number;
  /** What happened to each process, for people. */
  readonly rounds: readonly string[];
  readonly fromProcesses: readonly string[];
  readonly fromHistory: readonly string[];
  readonly fromEffects: readonly string[];
  readonly fromStore: readonly string[];
}

/** Everything that is wrong; empty when nothing is. */
export function violationsOf(report: CampaignReport): readonly string[] {
  return [...report.fromProcesses, ...report.fromHistory, ...report.fromEffects, ...report.fromStore];
}

/** The folder with the evidence is left to the caller; see `discard`. */
export async function runCampaign({ seed, kills, nodes, bug }: CampaignOptions): Promise<CampaignReport> {
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), `aq-crash-${seed}-`));
  const fixed = campaignPlan(random, folder);
  const rounds: string[] = [];
  const wrong: string[] = [];
  let killed = 0;
  let stops = 0;

  const live = async (round: Round | undefined): Promise<ChildEnd> => {
    const life = rounds.length + 1;
    const node = nodes[below(random, nodes.length)] as string;
    const mode = round === undefined ? 'drain' : 'load';
    const plan: ChildPlan = { ...fixed, clients: 0, mode, life, seed: below(random, 2 ** 31), ...round?.child };
    const withBug = bug !== undefined && life === 1 ? { ...plan, bug } : plan;
    const end = await runChild(node, withBug, round?.kill);
    const words = `process ${life} (${round === undefined ? 'finishes' : `to be killed ${round.name}`})`;
    rounds.push(`${words}: ${end.type}`);
    if (end.type === 'killed') noteCrash(folder);
    if (end.type === 'wrong') wrong.push(`${words}: ${end.words}; see stderr.txt`);
    return end;
  };

  while (killed < kills && stops <= 2 * kills && wrong.length === 0) {
    const end = await live(bug === undefined || killed > 0 ? roundPlan(random) : UNDER_LOAD);
    if (end.type === 'killed') killed += 1;
    else if (end.type === 'stopped') stops += 1;
  }
  if (wrong.length === 0) await live(undefined);
  const history = judgeHistory(folder);
  return {
    folder,
    kills: killed,
    stops,
    commands: history.commands,
    starts: history.starts,
    rounds,
    fromProcesses: wrong,
    fromHistory: history.violations,
    // What a process that hung had still to do is no further violation.
    fromEffects: wrong.length === 0 ? judgeEffects(folder) : [],
    fromStore: existsSync(join(folder, 'store.db')) ? judgeStore(folder) : [],
  };
}

/** Removes the evidence. */
export function discard(report: CampaignReport): void {
  rmSync(report.folder, { recursive: true, force: true });
}

const UNDER_LOAD: Round = {
  name: 'at event 3000, under load',
  child: { clients: 20, haltAtEvent: 3_000 },
  kill: { sign: 'h', count: 1, turns: 0 },
};

/** Both logs tell the end of a process at the place where it happened. */
function noteCrash(folder: string): void {
  const history = new HistoryFile(join(folder, 'history.jsonl'));
  history.append({ type: 'crashed', node: 'node', seq: 0 });
  history.close();
  appendFileSync(join(folder, 'effects.jsonl'), `\n${JSON.stringify({ a: 'crash' })}\n`);
}
