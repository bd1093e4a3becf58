/** Contracts, changes of them and generated files as text and as JSON. */
import type { LeftOut } from '../contracts/codegen/usable-contracts.js';
import type { ContractChange } from '../contracts/compatibility.js';
import type { ConsoleIo } from './console-io.js';
import { printable, short } from './letter-view.js';
import type { OutputPlan } from './output-folder.js';

const NAME_CHARACTERS = 128;
const TEXT_CHARACTERS = 400;

/** A name out of a registry, which may be any string. */
export function shown(name: string): string {
  return short(name, NAME_CHARACTERS);
}

export function warn(io: ConsoleIo, text: string): void {
  io.stderr.write(`atomic-queues: ${printable(text)}\n`);
}

export function leftOutText({ entityType, message, reason }: LeftOut): string {
  const subject = message === undefined ? shown(entityType) : `${shown(entityType)} ${shown(message)}`;
  return `Left out: ${subject}. ${reason}`;
}

export function changesText(changes: readonly ContractChange[], against: string): string {
  const breaking = changes.filter((change) => change.breaking);
  const fine = changes.filter((change) => !change.breaking);
  if (changes.length === 0) return `Nothing has changed since ${against}.`;
  return [
    ...section('Breaks existing callers:', breaking),
    ...(breaking.length > 0 && fine.length > 0 ? [''] : []),
    ...section('Compatible:', fine),
    '',
    breaking.length === 0
      ? `${count(fine.length, 'change')} since ${against}, none of which breaks existing callers.`
      : `${count(changes.length, 'change')} since ${against}; ${breaking.length} of them ${breaking.length === 1 ? 'breaks' : 'break'} existing callers.`,
  ].join('\n');
}

function section(title: string, changes: readonly ContractChange[]): string[] {
  return changes.length === 0 ? [] : [title, ...changes.map((change) => `  ${changeText(change)}`)];
}

function changeText({ entityType, message, in: part, path, text }: ContractChange): string {
  const subject = [entityType, message].flatMap((name) => (name === undefined ? [] : [shown(name)])).join(' ');
  const place =
    part === undefined ? '' : path === undefined ? `, ${part}` : `, ${part} ${short(path, NAME_CHARACTERS)}`;
  return `${subject}${place}: ${short(text, TEXT_CHARACTERS)}`;
}

export function changesJson(changes: readonly ContractChange[]): Record<string, unknown> {
  return { breaking: changes.filter((change) => change.breaking).length, changes };
}

export function planText({ folder, written, removed, unchanged }: OutputPlan, isCheck: boolean): string {
  const lines = [
    ...written.map(({ path }) => `${isCheck ? 'would write' : 'wrote'} ${path}`),
    ...removed.map((path) => `${isCheck ? 'would remove' : 'removed'} ${path}`),
  ];
  if (lines.length === 0) return `Nothing to change in ${folder}: ${count(unchanged, 'file')} up to date.`;
  return [...lines, `in ${folder}${unchanged > 0 ? `; ${count(unchanged, 'file')} up to date` : ''}`].join('\n');
}

export function planJson({ folder, written, removed, unchanged }: OutputPlan, leftOut: readonly LeftOut[]) {
  return { folder, written: written.map(({ path }) => path), removed, unchanged, leftOut };
}

function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}
